// The last lines that the library logged, for whoever looks into a failure. Imported first.

const KEPT = 400;
const lines = [];

for (const level of ["debug", "log", "info", "warn", "error", "trace"]) {
  console[level] = (...words) => {
    lines.push(`${new Date().toISOString().slice(11, 23)} ${level}: ${words.map(text).join(" ")}`.slice(0, 600));
    if (lines.length > KEPT) lines.shift();
  };
}

function text(word) {
  if (word instanceof Error) return word.stack ?? String(word);
  if (typeof word !== "object") return String(word);
  try {
    return JSON.stringify(word);
  } catch {
    return String(word);
  }
}

/** The last of them. */
export const lastLines = (count) => lines.slice(-count);
