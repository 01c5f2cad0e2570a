// What the exported page and the studio do with pictures on a canvas. It is a plain script, because a page that is
// opened from disk cannot import modules; a module imports it for its effect.
"use strict";
(globalThis.pippin ??= {}).canvas = (() => {
  /** Shows pixels on a canvas of their size. */
  const show = (canvas, pixels) => canvas.getContext("2d").putImageData(pixels, 0, 0);

  /**
   * Returns a canvas with pictures side by side.
   * @param {CanvasImageSource[]} pictures canvases or images.
   * @param {number} size side of each picture in pixels.
   * @param {number} columns
   * @param {number} gap pixels between pictures.
   * @param {?string} background a colour, or null for none.
   */
  function sheet(pictures, size, columns, gap, background) {
    const result = document.createElement("canvas"), rows = Math.ceil(pictures.length / columns);
    [result.width, result.height] = [Math.min(columns, pictures.length), rows].map((n) => n * (size + gap) - gap);
    const context = result.getContext("2d");
    if (background !== null) {
      context.fillStyle = background;
      context.fillRect(0, 0, result.width, result.height);
    }
    pictures.forEach((picture, index) => context.drawImage(
      picture, (index % columns) * (size + gap), Math.floor(index / columns) * (size + gap), size, size));
    return result;
  }

  /** Offers a canvas as a PNG file. */
  function download(canvas, file) {
    canvas.toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = file;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  }

  return { show, sheet, download };
})();
