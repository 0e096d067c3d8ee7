"use strict";
// Draws the charts in the page's colours, and again when these or the page's width change.
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)"), narrow = matchMedia("(max-width: 700px)");
  const buttons = [["toImage"], ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]]; // none that sends data
  const config = { responsive: true, displaylogo: false, plotlyServerURL: "", modeBarButtons: buttons };

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function axis(given) {
    const lines = { gridcolor: colour("--line"), linecolor: colour("--line"), zerolinecolor: colour("--line") };
    const title = { ...given.title, font: { size: narrow.matches ? 10 : 12 } };
    return { ...lines, automargin: true, ...given, title };
  }

  function legend() {
    const below = { orientation: "h", x: 0, y: 0, yanchor: "bottom", yref: "container" };
    return { bgcolor: "rgba(0, 0, 0, 0)", traceorder: "normal", ...(narrow.matches ? below : {}) };
  }

  function height({ data, layout }) {
    const lines = data.filter((trace) => trace.showlegend !== false).length;
    return (layout.height ?? (narrow.matches ? 340 : 420)) + (narrow.matches ? 22 * lines : 0);
  }

  function layout(chart) {
    return {
      ...chart.layout,
      xaxis: axis(chart.layout.xaxis),
      yaxis: axis(chart.layout.yaxis),
      annotations: narrow.matches ? [] : chart.layout.annotations,
      legend: legend(),
      height: height(chart),
      showlegend: true,
      margin: { l: 10, r: 10, t: 30, b: 10 },
      font: { color: colour("--text"), family: getComputedStyle(document.body).fontFamily, size: 12 },
      hoverlabel: { namelength: -1 },
      modebar: { bgcolor: "rgba(0, 0, 0, 0)", color: colour("--soft"), activecolor: colour("--accent") },
      paper_bgcolor: "rgba(0, 0, 0, 0)",
      plot_bgcolor: "rgba(0, 0, 0, 0)",
    };
  }

  function draw() {
    charts.forEach((chart, number) => Plotly.react(`chart-${number}`, chart.data, layout(chart), config));
  }

  dark.addEventListener("change", draw);
  narrow.addEventListener("change", draw);
  draw();
})();
