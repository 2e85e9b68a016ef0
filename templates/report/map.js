// Makes the maps answer questions: which cameras see this cell, and where does this camera look.
(() => {
  "use strict";
  document.documentElement.classList.add("scripted");

  const unpack = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  for (const site of document.querySelectorAll("[data-site]")) {
    const map = site.querySelector("svg.map");
    const readout = site.querySelector(".readout");
    const chosen = site.querySelector(".chosen");
    const { columns, rows, axes, x, y, cameras, masks } = JSON.parse(site.querySelector("script").textContent);
    const bits = unpack(masks);
    const stride = Math.ceil((columns * rows) / 8);
    const sees = (camera, cell) => (bits[camera * stride + (cell >> 3)] >> (7 - (cell & 7))) & 1;
    let cursor = { column: columns >> 1, row: rows >> 1 };

    const show = (column, row) => {
      cursor = {
        column: Math.min(columns - 1, Math.max(0, column)),
        row: Math.min(rows - 1, Math.max(0, row)),
      };
      const cell = cursor.row * columns + cursor.column;
      const names = cameras.filter((_, camera) => sees(camera, cell));
      const metres = (range, place, count) => (range[0] + ((place + 0.5) / count) * (range[1] - range[0])).toFixed(1);
      chosen.setAttribute("x", cursor.column);
      chosen.setAttribute("y", rows - 1 - cursor.row);
      chosen.removeAttribute("visibility");
      readout.textContent =
        `${axes[0]} ${metres(x, cursor.column, columns)} m, ${axes[1]} ${metres(y, cursor.row, rows)} m, cell ${cell}: ` +
        (names.length ? `seen by ${names.join(", ")}` : "seen by no camera");
    };

    map.addEventListener("pointermove", (event) => {
      const box = map.getBoundingClientRect();
      const across = ((event.clientX - box.left) / box.width) * columns;
      const down = ((event.clientY - box.top) / box.height) * rows;
      show(Math.floor(across), rows - 1 - Math.floor(down));
    });
    map.addEventListener("focus", () => show(cursor.column, cursor.row));
    map.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!step) return;
      event.preventDefault();
      const stride = event.shiftKey ? 10 : 1;
      show(cursor.column + stride * step[0], cursor.row + stride * step[1]);
    });

    for (const button of site.querySelectorAll("button[data-camera]")) {
      button.addEventListener("click", () => {
        const pressed = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(pressed));
        site.querySelector(`.shown[data-camera="${button.dataset.camera}"]`).classList.toggle("on", pressed);
      });
    }
  }
})();
