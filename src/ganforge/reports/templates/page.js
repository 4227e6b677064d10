"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };
  const chosenAxis = () => document.querySelector("input[name=axis]:checked")?.value ?? "images";

  const draw = (element) => {
    const stored = figures[element.id];
    if (!stored) return;
    const figure = stored.data ? stored : stored[chosenAxis()];
    // Plotly writes into what it is given; the stored figure stays as it is.
    const { data, layout } = structuredClone(figure);
    if (layout.height) element.style.height = `${layout.height}px`;
    Plotly.react(element, data, layout, config);
  };

  // A plot is drawn when it comes near the screen, so that the page is there at once.
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
    }
  }, { rootMargin: "600px" });
  const plots = [...document.querySelectorAll(".plot")];
  const show = () => plots.filter((plot) => plot.offsetParent !== null).forEach((plot) => near.observe(plot));

  const select = document.getElementById("metric");
  select?.addEventListener("change", () => {
    for (const section of document.querySelectorAll(".measure")) section.hidden = section.dataset.metric !== select.value;
    document.getElementById("announce").textContent = `Showing ${select.selectedOptions[0].text}`;
    show();
  });
  for (const input of document.querySelectorAll("input[name=axis]")) {
    input.addEventListener("change", () => plots.filter((plot) => plot.id.endsWith("-curves")).forEach((plot) => {
      if (plot.classList.contains("js-plotly-plot")) draw(plot); else near.observe(plot);
    }));
  }

  const valueOf = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const compare = (a, b) => {
    if (a === "" || b === "") return 0;
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("thead th").forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
      const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction);
      const rows = [...table.tBodies[0].rows];
      const sign = direction === "ascending" ? 1 : -1;
      rows.sort((a, b) => {
        const [x, y] = [valueOf(a, column), valueOf(b, column)];
        // What has no value comes last either way.
        return (x === "") - (y === "") || sign * compare(x, y);
      });
      table.tBodies[0].append(...rows);
    }));
  }

  window.addEventListener("beforeprint", () => plots.filter((plot) => plot.offsetParent !== null).forEach(draw));
  show();
})();
