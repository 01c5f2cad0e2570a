/** Icons as SVG elements, drawn in lines on a square of 24. */

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  apple: "M12 8c-2-2-7.5-1.8-7.5 4.500C4.5 17 7.5 21 9.7 21c1 0 1.4-.6 2.3-.6s1.3.6 2.3.6c2.2 0 5.2-4 5.2-8.500C19.5 6.2 14 6 12 8zM12 8c0-2 .5-3.8 2.8-5",
  gather: "M4 6.500h4.500l2 2H20v10H4zM8 15l2.6-3 2.2 2.2 1.6-1.600L17 15",
  plan: "M5 7h8M17 7h2M5 12h2M11 12h8M5 17h9M18 17h1M15 5.200v3.600M9 10.200v3.600M16 15.200v3.6",
  train: "M4 19V5M4 19h16M7 15.500l3.5-5 3 2.500L19 6.5",
  explore: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM15.8 8.200l-2.3 5.3-5.3 2.3 2.3-5.300z",
  take: "M12 4v10M8 10.500l4 4 4-4M5 18.500h14",
  heart: "M12 20C5 15.5 3.5 12 3.5 9.2 3.5 6.7 5.4 5 7.7 5c1.8 0 3.3 1 4.3 2.600C13 6 14.5 5 16.3 5c2.3 0 4.2 1.7 4.2 4.2 0 2.8-1.5 6.3-8.5 10.800z",
  play: "M8 5.500v13l10.5-6.500z",
  pause: "M8.5 5.500v13M15.5 5.500v13",
  stop: "M6.5 6.500h11v11h-11z",
  copy: "M9 9h10.500v10.500H9zM15 9V4.500H4.500V15H9",
  close: "M6 6l12 12M18 6L6 18",
  folder: "M4 6h5l2 2h9v10.500H4z",
  up: "M12 19V6M6.5 11.500L12 6l5.5 5.5",
  check: "M5 12.500l4.5 4.500L19 7.5",
  minus: "M6 12h12",
  more: "M5 9l7 7 7-7",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.3 15.300L20 20",
  previous: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  pen: "M5 19l1-4L16 5l3 3L9 18z",
};

/** Returns an icon, hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
