// Generates images with the exported model, in this page. The model and the runtime are in scripts in the same folder.
"use strict";
(() => {
  const { latentDim, imageSize, channels, labels, onnx, name } = pippin.model;
  const { show, sheet, download } = pippin.canvas;
  const TRANSPARENT = channels === 4;
  const COUNT = 16, COLUMNS = 4, GAP = 2; // images in the sheet, columns of the downloaded sheet, pixels between them
  const byId = (id) => document.getElementById(id);
  const status = byId("status");
  let session;

  /** Decodes base64 of gzip into bytes. */
  async function unpack(text) {
    const zipped = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  async function load() {
    const loader = new Blob([await unpack(pippin.runtime.loader)], { type: "text/javascript" });
    ort.env.wasm.numThreads = 1; // threads need HTTP headers, which a page from disk does not have
    ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(loader) };
    ort.env.wasm.wasmBinary = await unpack(pippin.runtime.binary);
    session = await ort.InferenceSession.create(await unpack(onnx), { executionProviders: ["wasm"] });
    pippin.runtime = pippin.model.onnx = null; // frees megabytes of text
  }

  /** Returns the latent of a seed: standard normal numbers (Box-Muller transform of mulberry32). */
  function latentOf(seed) {
    let state = seed >>> 0;
    const uniform = () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    return Float32Array.from({ length: latentDim }, () =>
      Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
  }

  /**
   * Interpolates between two latents on the arc (slerp). Normal latents lie near a sphere; a straight line would pass
   * through its inside, where the generator was not trained and its images are washed out.
   */
  function interpolate(a, b, t) {
    const dot = a.reduce((sum, x, i) => sum + x * b[i], 0);
    const cosine = dot / (Math.hypot(...a) * Math.hypot(...b));
    const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
    if (angle < 1e-4) return a.map((x, i) => (1 - t) * x + t * b[i]);
    const [u, v] = [Math.sin((1 - t) * angle), Math.sin(t * angle)].map((s) => s / Math.sin(angle));
    return a.map((x, i) => u * x + v * b[i]);
  }

  /** Returns the one-hot label of a seed: the chosen label, or the labels in turn. Empty if the model has no labels. */
  function labelOf(seed) {
    const chosen = labels.length ? labels.indexOf(byId("label").value) : -1;
    return Float32Array.from(labels, (_, index) => Number(index === (chosen < 0 ? seed % labels.length : chosen)));
  }

  /** Generates one image as ImageData. */
  async function generate(latent, label = labelOf(0)) {
    const feeds = { latents: new ort.Tensor("float32", latent, [1, latentDim]) };
    if (labels.length) feeds.labels = new ort.Tensor("float32", label, [1, labels.length]);
    const { images } = await session.run(feeds);
    const pixels = new ImageData(imageSize, imageSize);
    for (let i = 0, j = 0; i < images.data.length; i += channels, j += 4) {
      // Colours of RGBA models are premultiplied by alpha, about 0, which is mid-grey.
      const alpha = TRANSPARENT ? Math.min(1, Math.max(0, (images.data[i + 3] + 1) / 2)) : 1;
      for (let c = 0; c < 3; c++) {
        const level = images.data[i + Math.min(c, channels - 1)] / Math.max(alpha, 1 / 255);
        pixels.data[j + c] = Math.round((level + 1) * 127.5); // ImageData clamps to 0…255
      }
      pixels.data[j + 3] = Math.round(255 * alpha);
    }
    images.dispose();
    return pixels;
  }

  const nextTask = () => new Promise((resolve) => setTimeout(resolve)); // lets the browser draw and handle input

  // The runtime generates one image at a time. Requests that arrive meanwhile are remembered; only the newest counts.
  const pending = { sheet: false, walk: false };
  let busy = false;
  async function request(...parts) {
    for (const part of parts) pending[part] = true;
    if (busy) return;
    busy = true;
    document.body.dataset.busy = "true";
    try {
      if (!session) await load();
      while (pending.sheet || pending.walk) await (pending.sheet ? updateSheet() : updateWalk());
    } catch (problem) {
      status.textContent = `This browser cannot run the generator: ${problem.message ?? problem}`;
      document.querySelectorAll("main button, main input").forEach((control) => { control.disabled = true; });
    } finally {
      busy = false;
      document.body.dataset.busy = "false";
    }
  }

  document.body.classList.toggle("transparent", TRANSPARENT);

  // -- the sheet ------------------------------------------------------------------------------------------------------

  const pictures = Array.from({ length: COUNT }, (_, index) => {
    const button = document.createElement("button"), canvas = document.createElement("canvas");
    canvas.width = canvas.height = imageSize;
    button.type = "button";
    button.append(canvas);
    button.addEventListener("click", () => choose(index));
    byId("sheet").append(button);
    return { button, canvas, latent: null, label: null, pixels: null };
  });
  let ends = [0, 1]; // indices of the pictures between which the walk leads

  async function updateSheet() {
    pending.sheet = false;
    pending.walk = true;
    const first = Math.max(0, Math.floor(Number(byId("seed").value)) || 0);
    let milliseconds = 0, generated = 0;
    for (const [index, picture] of pictures.entries()) {
      picture.seed = first + index;
      picture.latent = latentOf(picture.seed);
      picture.label = labelOf(picture.seed);
      picture.button.setAttribute("aria-label", `Picture of seed ${picture.seed}`);
      const started = performance.now();
      picture.pixels = await generate(picture.latent, picture.label);
      milliseconds += performance.now() - started;
      generated += 1;
      show(picture.canvas, picture.pixels);
      if (index >= Math.max(...ends) && pending.walk) await updateWalk();
      await nextTask();
      if (pending.sheet) return;
    }
    const speed = milliseconds ? `, ${(1000 * generated / milliseconds).toFixed(1)} per second` : ""; // coarse clocks give 0
    status.textContent = `${generated} pictures${speed}`;
  }

  // -- the walk -------------------------------------------------------------------------------------------------------

  async function updateWalk() {
    pending.walk = false;
    const [from, to] = ends.map((index) => pictures[index]);
    show(byId("from"), from.pixels);
    show(byId("to"), to.pixels);
    pictures.forEach(({ button }, index) => button.setAttribute("aria-pressed", String(ends.includes(index))));
    const t = Number(byId("position").value), label = from.label.map((x, i) => (1 - t) * x + t * to.label[i]);
    show(byId("walk"), await generate(interpolate(from.latent, to.latent, t), label));
  }

  function choose(index) {
    if (!pictures[index].pixels || index === ends[1]) return;
    ends = [ends[1], index];
    byId("position").value = "1";
    request("walk");
  }

  // -- downloads ------------------------------------------------------------------------------------------------------

  function downloadSheet() {
    const canvases = pictures.map(({ canvas }) => canvas);
    download(sheet(canvases, imageSize, COLUMNS, GAP, TRANSPARENT ? null : "white"),
      `${name}-seeds-${pictures[0].seed}-${pictures[COUNT - 1].seed}.png`);
  }

  byId("controls").addEventListener("submit", (event) => { event.preventDefault(); request("sheet"); });
  byId("label")?.addEventListener("change", () => request("sheet"));
  byId("next").addEventListener("click", () => {
    byId("seed").value = String((Number(byId("seed").value) || 0) + COUNT);
    request("sheet");
  });
  byId("position").addEventListener("input", () => request("walk"));
  byId("save-sheet").addEventListener("click", downloadSheet);
  byId("save-picture").addEventListener("click", () => download(byId("walk"), `${name}-walk.png`));
  request("sheet");

  // For pages that build on this one, and for its test.
  pippin.latentOf = latentOf;
  pippin.interpolate = interpolate;
  pippin.generate = generate;
})();
