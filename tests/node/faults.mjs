// What is wrong with a page as it is shown: an expression for the page, which gives a list of sentences.
//
// The numbers are those of WCAG 2.2, level AA: 4.5 for text (1.4.3), 3 for large text and for what a field is told by (1.4.11).

export const faults = `(${function () {
  const found = [];
  const root = document.documentElement;
  const visible = (element) => element.getClientRects().length > 0;

  const channels = (color) => {
    const [red, green, blue, alpha = 1] = color.match(/[\d.]+/g).map(Number);
    return { rgb: [red, green, blue], alpha };
  };
  const luminance = (rgb) => {
    const [red, green, blue] = rgb.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  // The pages use no half transparent colours; one would be a fault of this function.
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { rgb, alpha } = channels(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return rgb;
      if (alpha > 0) found.push(`${at.tagName} has a half transparent background`);
    }
    const dark = matchMedia("(prefers-color-scheme: dark)").matches && getComputedStyle(root).colorScheme.includes("dark");
    return dark ? [18, 18, 18] : [255, 255, 255];
  };
  const require = (element, what, color, back, least) => {
    const ratio = contrast(channels(color).rgb, back);
    const text = (element.innerText || element.name || "").slice(0, 30);
    if (ratio < least) found.push(`the ${what} of ${element.tagName} "${text}" has a contrast of ${ratio.toFixed(2)}`);
  };

  if (root.scrollWidth > root.clientWidth) found.push(`${root.scrollWidth} px do not fit into ${root.clientWidth}`);
  if (!root.lang) found.push("no language is named");
  if (!document.title) found.push("no title");
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  if (document.querySelectorAll("main").length !== 1) found.push("not one main");

  if (document.querySelectorAll("[tabindex], [accesskey]").length) found.push("the order of the keyboard is not that of the page");
  if (document.querySelectorAll("[autofocus]").length > 1) found.push("several want the focus");
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  if (new Set(ids).size !== ids.length) found.push("an id stands twice");
  for (const element of document.querySelectorAll("[aria-describedby]")) {
    for (const id of element.getAttribute("aria-describedby").split(" ")) {
      if (!document.getElementById(id)) found.push(`${element.name} is described by ${id}, which is not there`);
    }
  }
  for (const alert of document.querySelectorAll("[role=alert]")) {
    if (!document.querySelector(`input[aria-describedby~="${alert.id}"]`)) found.push("an error belongs to no field");
    if (!document.title.includes(":")) found.push("the title says nothing of the error");
  }
  for (const link of document.querySelectorAll("p a, li a")) {
    const { textDecorationLine } = getComputedStyle(link);
    if (!textDecorationLine.includes("underline")) found.push(`only its colour says that "${link.innerText}" is a link`);
  }

  for (const element of [...document.body.querySelectorAll("*")].filter(visible)) {
    const { animationName, transitionDuration } = getComputedStyle(element);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches && (animationName !== "none" || !/^0s(, 0s)*$/.test(transitionDuration))) {
      found.push(`${element.tagName} moves`);
    }
    const style = getComputedStyle(element);
    const says = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (says || element.matches("input")) require(element, "text", style.color, behind(element), large ? 3 : 4.5);
    if (!element.matches("input, button, a")) continue;
    const { width, height } = element.getBoundingClientRect();
    if (!element.matches("p a") && (width < 24 || height < 24)) found.push(`${element.tagName} is too small to hit`);
    if (element.matches("input")) {
      if (element.labels.length !== 1) found.push(`${element.name} has not one label`);
      require(element, "border", style.borderColor, behind(element.parentElement), 3);
      if (size < 16) found.push(`${element.name} makes a phone zoom in`);
    }
    if (element === document.activeElement) {
      if (style.outlineStyle === "none") found.push(`it cannot be seen that ${element.name} has the focus`);
      else require(element, "focus", style.outlineColor, behind(element.parentElement), 3);
    }
  }
  return found;
}})()`;
