"use strict";
(async () => {
  const packed = document.getElementById("plotly");
  if (!packed) return;
  const plots = [...document.querySelectorAll(".plot")];
  const open = () => plots.forEach(p => p.parentElement.querySelector("details").open = true);
  try {
    const bytes = Uint8Array.from(atob(packed.textContent.trim()), c => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  } catch (error) { open(); return; }
  if (!window.Plotly) { open(); return; }
  const draw = () => {
    const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const axis = { gridcolor: css("--line"), zerolinecolor: css("--line"), linecolor: css("--line"), automargin: true };
    const base = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", colorway: [css("--accent"), "#d9822b", css("--good"), "#b4589b", css("--soft"), "#1a9aa8"],
      font: { family: "system-ui, sans-serif", size: 13, color: css("--ink") }, margin: { l: 60, r: 20, t: 20, b: 50 },
      legend: { orientation: "h", y: 1.08 },
    };
    for (const place of plots) {
      const figure = JSON.parse(place.nextElementSibling.textContent);
      const layout = { ...base, ...figure.layout, margin: { ...base.margin, ...(figure.layout.margin || {}) } };
      for (const key of ["xaxis", "yaxis"]) layout[key] = { ...axis, ...(figure.layout[key] || {}) };
      window.Plotly.react(place, figure.data, layout, { responsive: true, displayModeBar: false });
    }
    document.documentElement.dataset.drawn = plots.length;
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
