// Draws the charts from the table beside them. The page works without any of this.
"use strict";
(() => {
  const COLOURS = { "To the shop": "--good", "Passes": "--good", "Usual lag": "--good", "A side not read": "--trouble", "Not taken": "--trouble" };

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function column(table, number) {
    return [...table.tBodies[0].rows].map((row) => {
      const cell = row.cells[number];
      if (number === 0) return Number(cell.dataset.at);
      return cell.textContent === "" ? null : Number(cell.textContent);
    });
  }

  // On the workshop's clock, wherever the browser is.
  function moments() {
    const { span, zone } = document.getElementById("charts").dataset;
    const how = span === "24h" ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : { day: "numeric", month: "short" };
    const format = new Intl.DateTimeFormat("en-AU", { timeZone: zone, ...how });
    return (seconds) => (seconds === null ? "" : format.format(new Date(seconds * 1000)));
  }

  function draw(box, table) {
    const moment = moments();
    const numbers = box.dataset.columns.split(" ").map(Number);
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--edge"), width: 1 }, ticks: { stroke: colour("--edge") } };
    const series = numbers.map((number, index) => {
      const label = table.tHead.rows[0].cells[number].textContent;
      const stroke = colour(COLOURS[label] ?? "--busy");
      return { label, stroke, width: 2, dash: [[], [8, 4], [2, 3]][index], points: { show: true, size: 5, fill: stroke } };
    });
    const options = {
      width: box.clientWidth,
      height: 180,
      scales: { y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
      axes: [{ ...axis, values: (_, splits) => splits.map(moment) }, { ...axis, size: 45 }],
      series: [{ label: "From", value: (_, seconds) => moment(seconds) }, ...series],
    };
    box.replaceChildren();
    const values = [column(table, 0), ...numbers.map((number) => column(table, number))];
    options.hooks = { ready: [(plot) => plot.setLegend({ idx: values[0].length - 1 })] };
    new uPlot(options, values, box);
  }

  function drawAll() {
    const table = document.getElementById("figures-table");
    if (table) document.querySelectorAll(".chart").forEach((box) => draw(box, table));
  }

  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 200);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  document.addEventListener("htmx:after:swap", () => {
    if (document.querySelector(".chart:empty")) drawAll();
  });
  drawAll();
})();
