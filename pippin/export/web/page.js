// Paints with the exported generator. All of it happens here: the model and the runtime came as scripts beside this one.
"use strict";
(() => {
  const { latentDim, imageSize, channels, labels, onnx, name } = pippin.model;
  const TRANSPARENT = channels === 4;
  const COUNT = 16, COLUMNS = 4, GAP = 2;
  const byId = (id) => document.getElementById(id);
  const status = byId("status");
  let session;

  /** Text in base64 of gzip → bytes. */
  async function unpack(text) {
    const zipped = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  async function load() {
    const loader = new Blob([await unpack(pippin.runtime.loader)], { type: "text/javascript" });
    ort.env.wasm.numThreads = 1; // more need headers that a file has not
    ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(loader) };
    ort.env.wasm.wasmBinary = await unpack(pippin.runtime.binary);
    session = await ort.InferenceSession.create(await unpack(onnx), { executionProviders: ["wasm"] });
    pippin.runtime = pippin.model.onnx = null; // megabytes of text that nobody needs any more
  }

  /** Latents of a seed: the standard normal distribution (Box and Muller) from mulberry32. */
  function draw(seed) {
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

  /** Latents between two, on the arc: a straight line would pass where few latents are, and look washed out. */
  function between(a, b, t) {
    const dot = a.reduce((sum, x, i) => sum + x * b[i], 0);
    const cosine = dot / (Math.hypot(...a) * Math.hypot(...b));
    const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
    if (angle < 1e-4) return a.map((x, i) => (1 - t) * x + t * b[i]);
    const [u, v] = [Math.sin((1 - t) * angle), Math.sin(t * angle)].map((s) => s / Math.sin(angle));
    return a.map((x, i) => u * x + v * b[i]);
  }

  /** The kind of a seed's picture, where there are labels: 1 in its place. It is the chosen one, or one after the other. */
  function kindOf(seed) {
    const chosen = labels.length ? labels.indexOf(byId("kind").value) : -1;
    return Float32Array.from(labels, (_, index) => Number(index === (chosen < 0 ? seed % labels.length : chosen)));
  }

  /** Latents and a kind → ImageData. */
  async function paint(latents, kind = kindOf(0)) {
    const feeds = { latents: new ort.Tensor("float32", latents, [1, latentDim]) };
    if (labels.length) feeds.labels = new ort.Tensor("float32", kind, [1, labels.length]);
    const { images } = await session.run(feeds);
    const pixels = new ImageData(imageSize, imageSize);
    for (let i = 0, j = 0; i < images.data.length; i += channels, j += 4) {
      const cover = TRANSPARENT ? Math.min(1, Math.max(0, (images.data[i + 3] + 1) / 2)) : 1; // colours come laid over 0
      for (let c = 0; c < 3; c++) {
        const level = images.data[i + Math.min(c, channels - 1)] / Math.max(cover, 1 / 255);
        pixels.data[j + c] = Math.round((level + 1) * 127.5); // clamped by itself
      }
      pixels.data[j + 3] = Math.round(255 * cover);
    }
    images.dispose();
    return pixels;
  }

  const show = (canvas, pixels) => canvas.getContext("2d").putImageData(pixels, 0, 0);
  const breathe = () => new Promise((done) => setTimeout(done));

  // One thing at a time: the runtime paints one picture after the other, and only the newest wishes count.
  const wanted = { sheet: false, walk: false };
  let busy = false;
  async function ask(...wishes) {
    for (const wish of wishes) wanted[wish] = true;
    if (busy) return;
    busy = true;
    document.body.dataset.busy = "true";
    try {
      if (!session) await load();
      while (wanted.sheet || wanted.walk) await (wanted.sheet ? paintSheet() : paintWalk());
    } catch (problem) {
      status.textContent = `This browser cannot paint it: ${problem.message ?? problem}`;
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
    return { button, canvas, latents: null, pixels: null };
  });
  let ends = [0, 1];

  async function paintSheet() {
    wanted.sheet = false;
    wanted.walk = true;
    const first = Math.max(0, Math.floor(Number(byId("seed").value)) || 0);
    let spent = 0, painted = 0;
    for (const [index, picture] of pictures.entries()) {
      picture.seed = first + index;
      picture.latents = draw(picture.seed);
      picture.kind = kindOf(picture.seed);
      picture.button.setAttribute("aria-label", `Picture of seed ${picture.seed}`);
      const begun = performance.now();
      picture.pixels = await paint(picture.latents, picture.kind);
      spent += performance.now() - begun;
      painted += 1;
      show(picture.canvas, picture.pixels);
      if (index >= Math.max(...ends) && wanted.walk) await paintWalk();
      await breathe();
      if (wanted.sheet) return;
    }
    const speed = spent ? `, ${(1000 * painted / spent).toFixed(1)} a second here` : ""; // some clocks stand still
    status.textContent = `${painted} pictures${speed}`;
  }

  // -- the walk -------------------------------------------------------------------------------------------------------

  async function paintWalk() {
    wanted.walk = false;
    const [from, to] = ends.map((index) => pictures[index]);
    show(byId("from"), from.pixels);
    show(byId("to"), to.pixels);
    pictures.forEach(({ button }, index) => button.setAttribute("aria-pressed", String(ends.includes(index))));
    const t = Number(byId("position").value), kind = from.kind.map((x, i) => (1 - t) * x + t * to.kind[i]);
    show(byId("walk"), await paint(between(from.latents, to.latents, t), kind));
  }

  function choose(index) {
    if (!pictures[index].pixels || index === ends[1]) return;
    ends = [ends[1], index];
    byId("position").value = "1";
    ask("walk");
  }

  // -- files ----------------------------------------------------------------------------------------------------------

  function download(canvas, file) {
    canvas.toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = file;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  }

  function downloadSheet() {
    const sheet = document.createElement("canvas"), rows = COUNT / COLUMNS;
    [sheet.width, sheet.height] = [COLUMNS, rows].map((n) => n * (imageSize + GAP) - GAP);
    const context = sheet.getContext("2d");
    context.fillStyle = "white";
    if (!TRANSPARENT) context.fillRect(0, 0, sheet.width, sheet.height);
    pictures.forEach(({ canvas }, index) => context.drawImage(
      canvas, (index % COLUMNS) * (imageSize + GAP), Math.floor(index / COLUMNS) * (imageSize + GAP)));
    download(sheet, `${name}-seeds-${pictures[0].seed}-${pictures[COUNT - 1].seed}.png`);
  }

  byId("controls").addEventListener("submit", (event) => { event.preventDefault(); ask("sheet"); });
  byId("kind")?.addEventListener("change", () => ask("sheet"));
  byId("next").addEventListener("click", () => {
    byId("seed").value = String((Number(byId("seed").value) || 0) + COUNT);
    ask("sheet");
  });
  byId("position").addEventListener("input", () => ask("walk"));
  byId("save-sheet").addEventListener("click", downloadSheet);
  byId("save-picture").addEventListener("click", () => download(byId("walk"), `${name}-walk.png`));
  ask("sheet");

  // For whoever builds on this page, and for its test.
  pippin.draw = draw;
  pippin.between = between;
  pippin.paint = paint;
})();
