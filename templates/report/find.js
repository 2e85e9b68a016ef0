// Finds a vehicle among thousands: the lists keep what matches, and open.
(() => {
  "use strict";
  const field = document.querySelector("input.find");
  if (!field) return;
  const found = document.querySelector(".found");
  const groups = Array.from(document.querySelectorAll("details.names"), (group) => ({
    group,
    items: Array.from(group.querySelectorAll("li"), (item) => ({ item, name: item.textContent.toLowerCase() })),
  }));

  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    let total = 0;
    for (const { group, items } of groups) {
      let here = 0;
      for (const { item, name } of items) {
        item.hidden = !name.includes(wanted);
        here += item.hidden ? 0 : 1;
      }
      group.hidden = here === 0;
      group.open = wanted !== "" && here > 0;
      total += here;
    }
    found.textContent = wanted === "" ? "" : total === 1 ? "1 vehicle" : `${total} vehicles`;
  });
})();
