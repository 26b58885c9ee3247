(() => {
  "use strict";
  // Times are the bridge's; this machine's clock may differ.
  const ahead = Date.now() - Number(document.body.dataset.now);
  const pad = (number) => String(number).padStart(2, "0");
  const elapsed = (seconds) => {
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    return (hours ? `${hours}:${pad(minutes)}` : minutes) + ":" + pad(seconds % 60);
  };
  const bytes = (amount) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    for (; unit < 4 && amount >= 1023.95; unit++) amount /= 1024;
    return amount.toFixed(unit ? 1 : 0) + " " + units[unit];
  };

  const tick = () => {
    for (const cell of document.querySelectorAll("[data-since]")) {
      const until = Number(cell.dataset.until) || Date.now() - ahead;
      cell.textContent = elapsed(Math.max(0, Math.floor((until - Number(cell.dataset.since)) / 1000)));
    }
  };

  // The page itself knows how everything is shown; it is fetched again at most every other second.
  const PAUSE_MS = 2000;
  let due = null;
  let last = 0;
  const refresh = () => {
    due ??= setTimeout(fetched, Math.max(0, last + PAUSE_MS - Date.now()));
  };
  const fetched = async () => {
    last = Date.now();
    due = null;
    try {
      const response = await fetch(location.href);
      if (!response.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("main");
      const focused = document.activeElement?.getAttribute("href");
      document.querySelector("main").replaceWith(fresh);
      if (focused) [...fresh.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
      tick();
    } catch {
      // The bridge is away; the stream of events tells when it is back.
    }
  };

  const show = (row, progress) => {
    const bar = row.querySelector("progress");
    bar.hidden = progress.percent === null;
    if (!bar.hidden) bar.value = progress.percent;
    const say = (part, text) => {
      for (const place of row.querySelectorAll(`[data-show=${part}]`)) place.textContent = text;
    };
    say("percent", progress.percent === null ? "" : `${Math.floor(progress.percent)} %`);
    say("step", progress.step ?? "");
    say("cpu", `${progress.cpuSeconds.toFixed(1)} s`);
    say("memory", `${bytes(progress.memoryBytes)} (at most ${bytes(progress.peakMemoryBytes)})`);
    for (const place of row.querySelectorAll("[data-running]")) place.hidden = false;
  };

  const { events, call, state } = document.body.dataset;
  const changed = ({ data }) => {
    const change = JSON.parse(data);
    const row = document.getElementById(`call-${change.callId}`);
    if (row && change.progress) show(row, change.progress);
    else if (row || (!call && change.state === (state || "accepted"))) refresh();
  };

  const listen = () => {
    const stream = new EventSource(events);
    stream.addEventListener("open", refresh);
    stream.addEventListener("resync", refresh);
    stream.addEventListener("call", changed);
    // It connects again by itself, unless it was turned away.
    stream.addEventListener("error", () => {
      if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    });
  };
  listen();
  setInterval(tick, 1000);
})();
