"use strict";
// Drawings, colours, sorting and filters. Without it the page is complete but for its drawings.
(() => {
  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };

  document.querySelector(".scriptless").remove();

  // Drawings: one after the other, so that a page of hundreds stays usable; what is in view goes first.
  const waiting = new Set(document.querySelectorAll(".drawing"));
  const quiet = { labelColor: "var(--quiet)", titleColor: "var(--quiet)", titleFontWeight: "normal", labelFontSize: 12, titleFontSize: 12 };
  const config = {
    background: null,
    font: getComputedStyle(document.body).fontFamily,
    view: { stroke: null },
    axis: {
      ...quiet, domainColor: "var(--edge)", gridColor: "var(--edge)", tickColor: "var(--edge)",
      labelOverlap: "parity", labelSeparation: 8,
    },
    legend: { ...quiet, labelColor: "var(--text)", labelLimit: 0, orient: "bottom", direction: "vertical" },
    text: { fill: "var(--text)", fontSize: 12.5 },
    rule: { stroke: "var(--text)" },
  };
  const options = {
    config,
    actions: false, ast: true, defaultStyle: false, renderer: "svg", tooltip: { disableDefaultStyle: true },
  };
  const draw = async (place) => {
    waiting.delete(place);
    try {
      await vegaEmbed(place, JSON.parse(place.nextElementSibling.textContent), options);
      place.style.minHeight = "";
    } catch (error) {
      console.error(error);
      place.textContent = "This chart cannot be drawn here; its numbers are below.";
    }
    place.dataset.drawn = "";
  };
  const inView = (place) => {
    const box = place.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
  };
  let drawing = false;
  const drawAll = async () => {
    if (drawing) return;
    drawing = true;
    // What is folded away has no width yet: it is drawn when it is opened.
    for (;;) {
      const open = [...waiting].filter((place) => place.checkVisibility());
      if (!open.length) break;
      await draw(open.find(inView) || open[0]);
      await new Promise((next) => setTimeout(next));
    }
    drawing = false;
    document.documentElement.dataset.drawn = "";
  };
  addEventListener("toggle", drawAll, true);
  const unfold = () => {
    const fold = location.hash.startsWith("#cell-") && document.querySelector(`${location.hash} > .fold`);
    if (fold) fold.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();
  drawAll();

  // Colours: as the system has them, until somebody chooses.
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const theme = make("button", { class: "theme", type: "button" });
  const label = () => { theme.textContent = isDark() ? "Light page" : "Dark page"; };
  try { root.dataset.theme = localStorage.getItem("loadfleet-theme") || ""; } catch { /* a file may have no storage */ }
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("loadfleet-theme", root.dataset.theme); } catch { /* as above */ }
    label();
  });
  dark.addEventListener("change", label);
  label();
  document.querySelector("header").append(theme);

  // Tables of data: sort by a column, filter by words and by the values of some columns.
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
  };
  const compare = (first, second) => {
    // A cell without a number goes after those that have one.
    if (typeof first !== typeof second) return typeof first === "number" ? -1 : 1;
    return typeof first === "number" ? first - second : first.localeCompare(second, "en", { numeric: true });
  };
  const said = (row, column) => (row.cells[column].querySelector("span") || row.cells[column]).textContent.trim();
  const equip = (table) => {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const titles = heads.map((head) => head.textContent);
    const sort = (column, direction) => {
      heads.forEach((head, index) => head.setAttribute("aria-sort", index === column && direction ? direction : "none"));
      const sign = direction === "descending" ? -1 : 1;
      const sorted = direction ? [...rows].sort((a, b) => {
        const [first, second] = [key(a, column), key(b, column)];
        return typeof first === typeof second ? sign * compare(first, second) : compare(first, second);
      }) : rows;
      body.append(...sorted);
    };
    const tools = make("div", { class: "tools", role: "group", "aria-label": "Filter and sort" });
    const count = make("output", {});
    const words = make("input", { type: "search", placeholder: "any words", "aria-label": "Filter" });
    tools.append(make("label", {}, "Filter", words));
    const facets = (table.dataset.facets || "").split(",").map((name) => titles.indexOf(name)).filter((at) => at >= 0)
      .map((column) => [column, [...new Set(rows.map((row) => said(row, column)))].sort()])
      .filter(([, values]) => values.length > 1)
      .map(([column, values]) => {
        const select = make("select", { "aria-label": titles[column] }, make("option", { value: "" }, "all"), ...values.map((value) => make("option", {}, value)));
        tools.append(make("label", {}, titles[column], select));
        return [column, select];
      });
    const filter = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        const fits = wanted.every((word) => text.includes(word))
          && facets.every(([column, select]) => !select.value || said(row, column) === select.value);
        row.hidden = !fits;
        shown += fits;
      }
      count.textContent = `${shown} of ${rows.length} rows`;
    };
    tools.addEventListener("input", filter);
    heads.forEach((head, column) => {
      const button = make("button", { type: "button" }, titles[column]);
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        sort(column, now === "none" ? "ascending" : now === "ascending" ? "descending" : "");
      });
    });
    // A telephone shows no heads: it sorts by a list.
    const sorter = make("select", { "aria-label": "Sort" }, make("option", { value: "" }, "as listed"), ...titles.flatMap((title, column) => [
      make("option", { value: `${column} ascending` }, `${title}, ascending`),
      make("option", { value: `${column} descending` }, `${title}, descending`),
    ]));
    sorter.addEventListener("change", () => {
      const [column, direction] = sorter.value.split(" ");
      sort(Number(column || 0), direction || "");
    });
    tools.append(make("label", { class: "sorter" }, "Sort", sorter), count);
    table.parentElement.before(tools);
    filter();
  };
  for (const table of document.querySelectorAll("table.data")) if (table.tBodies[0].rows.length > 1) equip(table);

  // On paper everything is open.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => { for (const details of opened) details.open = false; });
})();
