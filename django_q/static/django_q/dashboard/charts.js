/* Reads charts: the figures of the step under the pointer, or of the one that the arrow keys choose.
   Nothing here is needed to use a page: its table has the same figures. */
(() => {
    "use strict";

    const MOVES = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10};
    // What is read: the number of the chart, what is told of the step, and whether by keys.
    let read = null;

    const charts = () => [...document.querySelectorAll(".dash-chart")];
    const stepsOf = (chart) => [...chart.querySelectorAll(".dash-hints rect")];
    const hintOf = (step) => step.dataset.hint;
    const nameOf = (hint) => hint.split("\n")[0];

    // As a slider, whose value is a step: so a screen reader tells what the keys have chosen.
    const prepare = (chart) => {
        const steps = stepsOf(chart);
        if (!steps.length) {
            return;
        }
        steps.forEach((step) => {
            const title = step.querySelector("title");
            step.dataset.hint = title.textContent;
            title.remove(); // the browser would show it, too
        });
        chart.tabIndex = 0;
        chart.setAttribute("role", "slider");
        chart.setAttribute("aria-valuemin", "0");
        chart.setAttribute("aria-valuemax", String(steps.length - 1));
        tellValue(chart, steps.length - 1);
    };

    const tellValue = (chart, index) => {
        chart.setAttribute("aria-valuenow", String(index));
        chart.setAttribute("aria-valuetext", hintOf(stepsOf(chart)[index]).replaceAll("\n", ", "));
    };

    const clear = () => {
        document.querySelectorAll(".dash-reading").forEach((each) => each.remove());
        document.querySelectorAll(".dash-read").forEach((each) => each.classList.remove("dash-read"));
        read = null;
    };

    // The step is marked in all charts of the page, and told beside it in the one that is read.
    const show = (chart, index, byKeys) => {
        clear();
        const steps = stepsOf(chart);
        read = {chart: charts().indexOf(chart), hint: hintOf(steps[index]), byKeys};
        charts().forEach((each) => stepsOf(each)[index]?.classList.add("dash-read"));
        tellValue(chart, index);
        const told = document.createElement("p");
        const place = steps[index].getBoundingClientRect();
        const whole = chart.getBoundingClientRect();
        const isLeft = place.left - whole.left > whole.width / 2;
        told.className = isLeft ? "dash-reading dash-reading-left" : "dash-reading";
        told.setAttribute("aria-hidden", "true"); // it is the value of the slider
        told.textContent = read.hint;
        chart.parentElement.append(told);
    };

    const chosen = (chart) => Number(chart.getAttribute("aria-valuenow"));

    const point = (event) => {
        const step = event.target.closest?.(".dash-hints rect[data-hint]");
        if (step) {
            const chart = step.closest(".dash-chart");
            if (!step.matches(".dash-read") || charts().indexOf(chart) !== read.chart) {
                show(chart, stepsOf(chart).indexOf(step), false);
            }
        } else if (read && !read.byKeys) {
            clear();
        }
    };

    document.addEventListener("pointermove", point);
    document.addEventListener("pointerdown", point);
    document.addEventListener("focusin", (event) => {
        if (event.target.matches(".dash-chart:focus-visible")) {
            show(event.target, chosen(event.target), true);
        }
    });
    // Later, as the focus may be on its way to another chart, or the chart is being replaced.
    document.addEventListener("focusout", (event) => window.setTimeout(() => {
        if (event.target.isConnected && read?.byKeys && !document.activeElement?.matches(".dash-chart")) {
            clear();
        }
    }));
    document.addEventListener("keydown", (event) => {
        const chart = event.target;
        if (!chart.matches(".dash-chart[tabindex]")) {
            return;
        }
        const last = stepsOf(chart).length - 1;
        if (event.key === "Escape") {
            clear();
            return;
        }
        const ends = {Home: 0, End: last};
        const index = ends[event.key] ?? chosen(chart) + (MOVES[event.key] ?? NaN);
        if (!Number.isNaN(index)) {
            event.preventDefault();
            show(chart, Math.min(Math.max(index, 0), last), true);
        }
    });

    // A region that is kept up to date comes with new charts: what was read there is read on.
    const renew = () => {
        const fresh = charts().filter((chart) => !chart.hasAttribute("tabindex"));
        fresh.forEach(prepare);
        const chart = read && charts()[read.chart];
        if (!chart || !fresh.includes(chart)) {
            return;
        }
        const {hint, byKeys} = read;
        const index = stepsOf(chart).findIndex((step) => nameOf(hintOf(step)) === nameOf(hint));
        if (byKeys) {
            chart.focus({preventScroll: true});
        }
        if (index >= 0) {
            show(chart, index, byKeys);
        } else {
            clear();
        }
    };
    new MutationObserver(renew).observe(document.body, {childList: true, subtree: true});
    renew();
})();
