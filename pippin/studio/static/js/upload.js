/** Uploads of files that were dropped or chosen. */

import { post, query } from "./api.js";
import { store } from "./store.js";
import { t } from "./words.js";

/** Requests at once. */
const AT_ONCE = 3;

/** Returns all files of a drop, those inside dropped folders included. */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = entries.length ? (await Promise.all(entries.map(filesBelow))).flat() : [...transfer.files];
  return files.filter(isPicture);
}

async function filesBelow(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) return found;
    for (const inner of entries) found.push(...await filesBelow(inner));
  }
}

function isPicture(file) {
  const suffix = file.name.slice(file.name.lastIndexOf(".")).toLowerCase();
  return !file.name.startsWith(".") && (store.session.suffixes?.includes(suffix) ?? true);
}

/**
 * Uploads files as a new picture set.
 * @returns {Promise<{set: Object, failed: {file: File, problem: Error}[]}>}
 */
export async function upload(files, progress) {
  const folder = files[0].webkitRelativePath?.split("/")[0];
  const set = await post("/api/uploads", { name: folder || t("uploadName") });
  const waiting = [...files], failed = [];
  let done = 0;
  const work = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      try {
        await post(query(`/api/sets/${set.id}/files`, { name: file.name }), file);
      } catch (problem) {
        failed.push({ file, problem });
      }
      progress(++done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { set, failed };
}
