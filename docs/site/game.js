/* The game of two networks in the plane, trained in the browser. The same as docs/figures/game.py. */
"use strict";

(() => {
  const WIDTH = 32, BATCH = 64, REACH = 0.1, SPOTS = 8, SPREAD = 0.04, GRID = 32, SIDE = 1.2;

  function normal() {
    return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  }

  function zeros(count) {
    return new Float64Array(count);
  }

  /* Two hidden layers of leaky ReLUs, and Adam without momentum. Arrays are row by row: (batch, width). */
  class Network {
    constructor(outputs) {
      this.sizes = [2, WIDTH, WIDTH, outputs];
      this.values = [];
      for (let n = 0; n < 3; n++) {
        const weights = zeros(this.sizes[n] * this.sizes[n + 1]);
        for (let k = 0; k < weights.length; k++) weights[k] = normal() * Math.sqrt(2 / this.sizes[n]);
        this.values.push(weights, zeros(this.sizes[n + 1]));
      }
      this.squares = this.values.map((each) => zeros(each.length));
      this.steps = 0;
    }

    forward(x) {
      const batch = x.length / 2;
      this.inputs = [];
      for (let n = 0; n < 3; n++) {
        const [rows, columns] = [this.sizes[n], this.sizes[n + 1]];
        const [weights, biases] = [this.values[2 * n], this.values[2 * n + 1]];
        const y = zeros(batch * columns);
        for (let b = 0; b < batch; b++) {
          const row = b * columns;
          for (let j = 0; j < columns; j++) y[row + j] = biases[j];
          for (let i = 0; i < rows; i++) {
            const value = x[b * rows + i];
            for (let j = 0; j < columns; j++) y[row + j] += value * weights[i * columns + j];
          }
        }
        if (n < 2) for (let k = 0; k < y.length; k++) if (y[k] < 0) y[k] *= 0.2;
        this.inputs.push(x);
        x = y;
      }
      return x;
    }

    /* Returns the gradients of the inputs, and of the weights and biases. */
    backward(gradient) {
      const batch = this.inputs[0].length / 2, found = [];
      for (let n = 2; n >= 0; n--) {
        const [rows, columns, x] = [this.sizes[n], this.sizes[n + 1], this.inputs[n]];
        const weights = this.values[2 * n];
        if (n < 2) gradient = gradient.map((g, k) => (this.inputs[n + 1][k] > 0 ? g : 0.2 * g));
        const byWeights = zeros(rows * columns), byBiases = zeros(columns), byInputs = zeros(batch * rows);
        for (let b = 0; b < batch; b++) {
          const row = b * columns;
          for (let j = 0; j < columns; j++) byBiases[j] += gradient[row + j];
          for (let i = 0; i < rows; i++) {
            const value = x[b * rows + i];
            let sum = 0;
            for (let j = 0; j < columns; j++) {
              const g = gradient[row + j];
              byWeights[i * columns + j] += g * value;
              sum += g * weights[i * columns + j];
            }
            byInputs[b * rows + i] = sum;
          }
        }
        found.unshift(byWeights, byBiases);
        gradient = byInputs;
      }
      return [gradient, found];
    }

    update(gradients, rate) {
      this.steps++;
      const correction = 1 - 0.99 ** this.steps;
      this.values.forEach((value, n) => {
        const square = this.squares[n], gradient = gradients[n];
        for (let k = 0; k < value.length; k++) {
          square[k] += 0.01 * (gradient[k] ** 2 - square[k]);
          value[k] -= (rate * gradient[k]) / (Math.sqrt(square[k] / correction) + 1e-8);
        }
      });
    }
  }

  class Game {
    constructor() {
      this.generator = new Network(2);
      this.discriminator = new Network(1);
      this.gamma = 0.1;
      this.ratio = 1;
      this.latents = Float64Array.from({ length: 600 }, normal);
    }

    real(count) {
      const points = zeros(2 * count);
      for (let n = 0; n < count; n++) {
        const angle = (2 * Math.PI * Math.floor(Math.random() * SPOTS)) / SPOTS;
        points[2 * n] = 0.7 * Math.cos(angle) + SPREAD * normal();
        points[2 * n + 1] = 0.7 * Math.sin(angle) + SPREAD * normal();
      }
      return points;
    }

    step() {
      const rate = 2e-3, real = this.real(BATCH);
      const fake = this.generator.forward(Float64Array.from({ length: 2 * BATCH }, normal));
      const near = [...real, ...fake], all = Float64Array.from([...near, ...near]);
      for (let n = 2 * BATCH; n < 4 * BATCH; n++) {
        const angle = 2 * Math.PI * Math.random();
        all[2 * n] += REACH * Math.cos(angle);
        all[2 * n + 1] += REACH * Math.sin(angle);
      }
      let logits = this.discriminator.forward(all);
      const gradient = zeros(4 * BATCH);
      for (let n = 0; n < 2 * BATCH; n++) {
        const slope = (this.gamma * (logits[n + 2 * BATCH] - logits[n])) / REACH ** 2 / BATCH;
        gradient[n] -= slope;
        gradient[n + 2 * BATCH] += slope;
      }
      for (let n = 0; n < BATCH; n++) {
        const pull = 1 / (1 + Math.exp(logits[n] - logits[n + BATCH])) / BATCH;
        gradient[n] -= pull;
        gradient[n + BATCH] += pull;
      }
      const [, byDiscriminator] = this.discriminator.backward(gradient);
      logits = this.discriminator.forward(Float64Array.from(near));
      const push = zeros(2 * BATCH);
      for (let n = 0; n < BATCH; n++) {
        push[n + BATCH] = -1 / (1 + Math.exp(logits[n + BATCH] - logits[n])) / BATCH;
      }
      const [byPoints] = this.discriminator.backward(push);
      const [, byGenerator] = this.generator.backward(byPoints.subarray(2 * BATCH));
      this.discriminator.update(byDiscriminator, rate * this.ratio);
      this.generator.update(byGenerator, rate);
    }

    /* The number of spots that get at least a quarter of their share of the generated points. */
    hitSpots() {
      const points = this.generator.forward(this.latents), hits = new Array(SPOTS).fill(0);
      for (let n = 0; n < points.length; n += 2) {
        for (let k = 0; k < SPOTS; k++) {
          const angle = (2 * Math.PI * k) / SPOTS;
          const [x, y] = [0.7 * Math.cos(angle), 0.7 * Math.sin(angle)];
          if (Math.hypot(points[n] - x, points[n + 1] - y) < 3 * SPREAD) hits[k]++;
        }
      }
      return hits.filter((count) => count >= points.length / 2 / SPOTS / 4).length;
    }
  }

  function draw(game, canvas, real) {
    const context = canvas.getContext("2d"), cell = canvas.width / GRID;
    const place = (value) => ((value / SIDE + 1) / 2) * canvas.width;
    const grid = zeros(2 * GRID * GRID);
    for (let n = 0; n < GRID * GRID; n++) {
      grid[2 * n] = SIDE * ((2 * ((n % GRID) + 0.5)) / GRID - 1);
      grid[2 * n + 1] = SIDE * ((2 * (Math.floor(n / GRID) + 0.5)) / GRID - 1);
    }
    const opinion = game.discriminator.forward(grid);
    const mean = opinion.reduce((a, b) => a + b) / opinion.length;
    const limit = opinion.reduce((most, each) => Math.max(most, Math.abs(each - mean)), 1e-9);
    opinion.forEach((each, n) => {
      const part = (each - mean) / limit;
      context.fillStyle = `hsl(${part > 0 ? 110 : 285} 35% ${96 - 36 * Math.abs(part)}%)`;
      context.fillRect((n % GRID) * cell, Math.floor(n / GRID) * cell, cell + 1, cell + 1);
    });
    const dots = (points, colour) => {
      context.fillStyle = colour;
      for (let n = 0; n < points.length; n += 2) {
        context.fillRect(place(points[n]) - 3, place(points[n + 1]) - 3, 6, 6);
      }
    };
    dots(real, "#222");
    dots(game.generator.forward(game.latents), "#d8432b");
  }

  function start(figure) {
    const [canvas, output] = [figure.querySelector("canvas"), figure.querySelector("output")];
    const runButton = figure.querySelector("[data-do=run]");
    const words = document.documentElement.lang === "ja"
      ? { start: "はじめる", stop: "止める", told: (steps, spots) => `${steps} ステップ：8 か所のうち ${spots} か所に点があります。` }
      : { start: "Start", stop: "Stop", told: (steps, spots) => `Step ${steps}: generated points at ${spots} of 8 spots.` };
    let game, real, running = false;

    function restart() {
      game = new Game();
      for (const choice of figure.querySelectorAll("[data-set]")) game[choice.dataset.set] = Number(choice.value);
      real = game.real(300);
      show();
    }

    function show() {
      draw(game, canvas, real);
      output.textContent = words.told(game.generator.steps, game.hitSpots());
    }

    function frame() {
      if (!running) return;
      const until = performance.now() + 30;
      while (performance.now() < until) game.step();
      show();
      requestAnimationFrame(frame);
    }

    runButton.addEventListener("click", () => {
      running = !running;
      runButton.textContent = running ? words.stop : words.start;
      requestAnimationFrame(frame);
    });
    figure.querySelector("[data-do=restart]").addEventListener("click", restart);
    for (const choice of figure.querySelectorAll("[data-set]")) {
      choice.addEventListener("change", () => { game[choice.dataset.set] = Number(choice.value); });
    }
    restart();
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("figure.game").forEach(start));
})();
