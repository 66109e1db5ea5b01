"""An own small check of a page: contrast, names, structure, sizes.

It reads what the browser computed, so it sees what a visitor sees. The figures are those
of WCAG 2.2, level AA.
"""

from typing import Literal

from playwright.sync_api import Page

TEXT_CONTRAST = 4.5
LARGE_TEXT_CONTRAST = 3.0  # from 24 px, or 18.66 px in bold
OUTLINE_CONTRAST = 3.0  # of the border of a field against what it lies on
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TARGET = 24  # CSS pixels; links within a sentence are exempt

_COLOURS = """
  const rgba = (text) => {
    const numbers = text.match(/[\\d.]+/g).map(Number);
    return [...numbers.slice(0, 3), numbers[3] ?? 1];
  };
  const over = (top, below) =>
    [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const known = new Map();
  const background = (element) => {
    if (!element) return [255, 255, 255, 1];
    if (!known.has(element)) {
      const own = rgba(getComputedStyle(element).backgroundColor);
      known.set(element, over(own, background(element.parentElement)));
    }
    return known.get(element);
  };
  const isSeen = (element) =>
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    !element.closest("[inert], [aria-disabled=true], :disabled") &&
    getComputedStyle(element).clipPath === "none";
"""

_FAINT_TEXT = (
    "([normal, large]) => {"
    + _COLOURS
    + """
  const faint = [];
  const look = (element, style, text) => {
    const colour = over(rgba(style.color), background(element));
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const found = contrast(colour, background(element));
    if (found < (isLarge ? large : normal)) {
      faint.push(`${found.toFixed(2)}: ${text.trim().slice(0, 60)}`);
    }
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { parentElement: element, data } = walker.currentNode;
    if (data.trim() && isSeen(element)) look(element, getComputedStyle(element), data);
  }
  for (const field of document.querySelectorAll("input, textarea, select")) {
    if (!isSeen(field)) continue;
    look(field, getComputedStyle(field), field.value);
    if (field.placeholder) {
      look(field, getComputedStyle(field, "::placeholder"), field.placeholder);
    }
  }
  return faint;
}"""
)

_FAINT_OUTLINES = (
    "(enough) => {"
    + _COLOURS
    + """
  const fields = [...document.querySelectorAll("textarea, select")].filter(isSeen);
  return fields
    .map((field) => {
      const border = over(rgba(getComputedStyle(field).borderTopColor), background(field));
      return [contrast(border, background(field.parentElement)), field.id];
    })
    .filter(([found]) => found < enough)
    .map(([found, id]) => `${found.toFixed(2)}: ${id}`);
}"""
)

_STRUCTURE = """(target) => {
  const problems = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const name = (element) =>
    element.getAttribute("aria-label") ||
    (element.getAttribute("aria-labelledby") ?? "")
      .split(" ")
      .map((id) => document.getElementById(id)?.textContent ?? "")
      .join("") ||
    [...(element.labels ?? [])].map((label) => label.textContent).join("") ||
    element.textContent.trim();

  if (!document.documentElement.lang) problems.push("the page has no language");
  if (!document.title) problems.push("the page has no title");
  if (all("h1").length !== 1) problems.push("there is not exactly one h1");
  if (all("main").length !== 1) problems.push("there is not exactly one main");
  let level = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    const next = Number(heading.localName[1]);
    if (next > level + 1) problems.push(`heading skips a level: ${heading.textContent}`);
    level = next;
  }
  for (const element of all("a[href], button, select, textarea, section, nav")) {
    if (!name(element)) problems.push(`no name: ${element.outerHTML.slice(0, 80)}`);
  }
  for (const field of all("select, textarea, input:not([type=hidden])")) {
    if (!field.labels?.length && !field.getAttribute("aria-label")) {
      problems.push(`no label: ${field.outerHTML.slice(0, 80)}`);
    }
  }
  for (const image of all("img")) {
    if (!image.hasAttribute("alt")) problems.push(`no alt: ${image.src}`);
  }
  const ids = all("[id]").map((element) => element.id);
  for (const id of ids) {
    if (ids.indexOf(id) !== ids.lastIndexOf(id)) problems.push(`id used twice: ${id}`);
  }
  for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
    for (const element of all(`[${attribute}]`)) {
      for (const id of element.getAttribute(attribute).split(" ")) {
        if (document.getElementById(id)) continue;
        problems.push(`${attribute} leads nowhere: ${id}`);
      }
    }
  }
  for (const link of all("a[href*='#']")) {
    const id = link.pathname === location.pathname && link.hash.slice(1);
    if (id && !document.getElementById(id)) problems.push(`link leads nowhere: #${id}`);
  }
  for (const element of all("button, select, input, a[href]")) {
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.matches("p a")) continue;
    const { width, height } = element.getBoundingClientRect();
    if (width < target || height < target) {
      const size = `${width.toFixed()}x${height.toFixed()}`;
      problems.push(`small target: ${name(element)} ${size}`);
    }
  }
  return problems;
}"""


_END_TRANSITIONS = """() => {
  document.body.checkVisibility(); // the new theme counts from here
  for (const one of document.getAnimations()) {
    if (one instanceof CSSTransition) one.finish();
  }
}"""


def problems(page: Page) -> list[str]:
    """Return what is wrong with the page as it is now, in both themes of the system."""
    found = list(page.evaluate(_STRUCTURE, TARGET))
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.evaluate(_END_TRANSITIONS)
        faint = [
            *page.evaluate(_FAINT_TEXT, [TEXT_CONTRAST, LARGE_TEXT_CONTRAST]),
            *page.evaluate(_FAINT_OUTLINES, OUTLINE_CONTRAST),
        ]
        found += [f"{theme}: {what}" for what in faint]
    return found
