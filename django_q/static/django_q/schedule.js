// Shows the fields that the chosen type of schedule needs, and when it runs next.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
    const type = document.querySelector("#id_schedule_type");
    if (!type) {
        return;
    }
    const fields = {I: ".field-minutes", C: ".field-cron"};
    const show = () => {
        for (const [value, selector] of Object.entries(fields)) {
            const row = document.querySelector(selector);
            if (row) {
                row.hidden = type.value !== value;
            }
        }
    };
    type.addEventListener("change", show);
    show();

    const preview = document.querySelector(".django-q-preview");
    if (!preview) {
        return;
    }
    const names = ["schedule_type", "minutes", "cron", "next_run_0", "next_run_1", "time_zone", "repeats"];
    const query = () => {
        const values = new URLSearchParams();
        for (const name of names) {
            const field = type.form.elements.namedItem(name);
            values.set(name, field ? field.value : "");
        }
        return values.toString();
    };
    const element = (selector) => preview.querySelector(selector);
    const fill = (answer) => {
        element(".django-q-words").textContent = answer.words;
        element(".django-q-none").textContent = answer.error;
        element("ol").replaceChildren(...answer.times.map((time) => {
            const item = document.createElement("li");
            item.textContent = time;
            return item;
        }));
    };
    let asked = null;
    let timer = null;
    let request = null;
    const ask = async () => {
        const values = query();
        if (values === asked) {
            return;
        }
        asked = values;
        if (request) {
            request.abort();
        }
        const own = request = new AbortController();
        try {
            const response = await fetch(`${preview.dataset.url}?${values}`, {
                headers: {Accept: "application/json"},
                signal: own.signal,
            });
            if (response.ok && !response.redirected) {
                const answer = await response.json();
                if (own === request) {
                    fill(answer);
                }
            }
        } catch (error) {
            if (own === request) {
                asked = null; // the next change asks again
            }
        }
    };
    const soon = () => {
        clearTimeout(timer);
        timer = setTimeout(ask, 300);
    };
    // A click may choose a date from Django's calendar, which sends no other event.
    for (const event of ["input", "change"]) {
        type.form.addEventListener(event, soon);
    }
    document.addEventListener("click", soon);
    soon();
});
