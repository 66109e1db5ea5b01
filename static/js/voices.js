/* The two menus that pick a voice: a language first, then one of its voices. */

import { ApiError, call } from "./api.js";

const FIRST_CHOICE = "en-US";

/**
 * Fills the menus from the API and returns `{choose, chooseLanguage}`.
 * `languages` are BCP 47 tags, the dearest first: the visitor's own. Throws ApiError.
 */
export async function loadVoices(languageMenu, voiceMenu, languages) {
  const { data } = await call("GET", "/api/v1/voices?provider=unicorn");
  if (!data.length) throw new ApiError({ status: 503 }); // switched off, or not there yet
  // Of a language's voices, the recommended one comes first.
  const groups = groupByLanguage([...data].sort((a, b) => b.is_recommended - a.is_recommended));
  const own = languages.map((tag) => match(tag, groups)).filter(Boolean);
  const first = own[0] ?? match(FIRST_CHOICE, groups) ?? groups.keys().next().value;

  fillLanguages(languageMenu, groups, new Set(own));
  languageMenu.addEventListener("change", () => fillVoices(languageMenu.value));

  function fillVoices(language) {
    const accents = Map.groupBy(groups.get(language), (voice) => accentOf(voice));
    const options = [...accents].map(([accent, voices]) => [
      accent,
      voices.map((voice) => newOption(voice.id, manner(voice))),
    ]);
    voiceMenu.replaceChildren(
      ...(options.length > 1
        ? options.map(([accent, voices]) => newGroup(accent, voices))
        : options[0][1]),
    );
  }

  /** Shows the recommended voice of a language, in whatever region, else its first one. */
  function chooseLanguage(tag) {
    const spoken = tag.split("-")[0].toLowerCase();
    const recommended = data.find(
      (voice) => voice.is_recommended && voice.language.split("-")[0].toLowerCase() === spoken,
    );
    const language = recommended ? shorten(recommended.language) : match(tag, groups);
    if (!language) return false;
    languageMenu.value = language;
    fillVoices(language);
    return true;
  }

  /** Shows a voice by its id; false when it is no longer offered. */
  function choose(id) {
    const voice = data.find((item) => item.id === id);
    if (!voice) return false;
    languageMenu.value = shorten(voice.language);
    fillVoices(languageMenu.value);
    voiceMenu.value = id;
    return true;
  }

  chooseLanguage(first);
  languageMenu.disabled = false;
  voiceMenu.disabled = false;
  return { choose, chooseLanguage };
}

function groupByLanguage(voices) {
  const groups = new Map();
  for (const voice of voices) {
    const tag = shorten(voice.language);
    if (!groups.has(tag)) groups.set(tag, []);
    groups.get(tag).push(voice);
  }
  return groups;
}

// Accents below a region (en-GB-scotland) are voices of it here, not languages of their own.
function shorten(tag) {
  const [language, ...rest] = tag.split("-");
  const kept = [language.toLowerCase()];
  for (const part of rest) {
    if (/^[a-z]{4}$/i.test(part) && kept.length === 1) {
      kept.push(part[0].toUpperCase() + part.slice(1).toLowerCase());
    } else if (/^([a-z]{2}|\d{3})$/i.test(part)) {
      kept.push(part.toUpperCase());
      break;
    } else break;
  }
  return kept.join("-");
}

// The language itself, the language without its region, the region where most of its
// speakers live, or any region: in this order.
function match(tag, groups) {
  const wanted = shorten(tag);
  const language = wanted.split("-")[0];
  const candidates = [wanted, language, likely(language)];
  for (const candidate of candidates) if (groups.has(candidate)) return candidate;
  for (const candidate of groups.keys()) {
    if (candidate.split("-")[0] === language) return candidate;
  }
  return null;
}

function likely(language) {
  try {
    return `${language}-${new Intl.Locale(language).maximize().region}`;
  } catch {
    return language;
  }
}

function fillLanguages(menu, groups, own) {
  const options = languageNames(groups).map(([tag, name]) => newOption(tag, name));
  const yours = options.filter((option) => own.has(option.value));
  const others = options.filter((option) => !own.has(option.value));
  menu.replaceChildren(
    ...(yours.length ? [newGroup("Yours", yours), newGroup("All others", others)] : others),
  );
}

// [tag, English name], in the order of the names.
function languageNames(groups) {
  const display = new Intl.DisplayNames(["en"], {
    type: "language",
    languageDisplay: "standard",
    fallback: "none",
  });
  const named = [...groups].map(([tag, [voice]]) => {
    try {
      return [tag, display.of(tag) ?? accentOf(voice)];
    } catch {
      return [tag, accentOf(voice)]; // a tag that browsers don't take
    }
  });
  return named.sort((a, b) => a[1].localeCompare(b[1], "en"));
}

// Voices are named "English (Scotland), whisper": the accent, and how it is spoken. The
// plain voice of an accent has no second part.
function accentOf({ name }) {
  return name.split(", ")[0];
}

function manner({ name, gender }) {
  const text = name.split(", ")[1] ?? (gender || "plain");
  return text[0].toUpperCase() + text.slice(1);
}

function newOption(value, text) {
  const option = document.createElement("option");
  option.value = value;
  option.textContent = text;
  return option;
}

function newGroup(label, options) {
  const group = document.createElement("optgroup");
  group.label = label;
  group.append(...options);
  return group;
}
