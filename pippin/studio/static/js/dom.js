/** Creates elements. Text always goes in as text, so a file name never becomes markup. */

/** Attributes that must be set as properties, because the attribute only holds the first value. */
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "open", "indeterminate", "selected", "tabIndex"]);

/**
 * Creates an element.
 * @param {string} kind tag and classes, such as "button.primary".
 * @param {Object} [attributes] `onclick` and the like are listeners; null, undefined and false are left out.
 * @param {...(Node|string|number|null|Array)} children
 */
export function el(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  setAttributes(element, attributes);
  append(element, children);
  return element;
}

/** Sets attributes, properties and listeners of an element as `el` does. */
export function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : value);
  }
}

/** Appends nodes and texts; null and false are left out, arrays are flattened. */
export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** Replaces what an element contains. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** Sets an element's text only if it differs, so that screen readers do not repeat a live region. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Returns a function that calls `act` once the calls have paused for some milliseconds. */
export function debounced(act, milliseconds) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...values), milliseconds);
  };
}

/** Returns a function that runs `act` one at a time; of the calls that arrive meanwhile only the newest runs. */
export function latest(act) {
  let running = false, waiting = null;
  return async function request(...values) {
    if (running) { waiting = values; return; }
    running = true;
    try {
      for (let next = values; next; ) {
        waiting = null;
        await act(...next);
        next = waiting;
      }
    } finally {
      running = false;
    }
  };
}

/** Returns a picture once it is decoded, so that nothing flickers when it is shown. */
export async function decoded(address) {
  const picture = new Image();
  picture.src = address;
  await picture.decode();
  return picture;
}

/** Shows another picture in an `img` once it is decoded. The newest wins. */
export function swapPicture(image, address) {
  if (image.dataset.wanted === address) return;
  image.dataset.wanted = address;
  decoded(address).then(() => { if (image.dataset.wanted === address) image.src = address; })
    .catch(() => { if (image.dataset.wanted === address) delete image.dataset.wanted; });
}
