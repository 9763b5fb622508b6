/* Keeps a page of the dashboard up to date: the same page is fetched again, and what has "data-live"
   and an id is replaced. Nothing here is needed to use a page. */
(() => {
    "use strict";

    const FAST_SECONDS = 2;
    const SLOW_SECONDS = 15;
    const FOCUSABLE = "a[href], button, input, select, textarea, summary";
    const control = document.querySelector("[data-live-switch]");
    let seconds = FAST_SECONDS;
    let tag = "";
    let timer = null;
    let isOn = true;

    // What somebody types into, or has selected, stays as it is.
    const isInUse = (region) => {
        const active = document.activeElement;
        const selection = document.getSelection();
        const selects = selection && !selection.isCollapsed && region.contains(selection.anchorNode);
        const types = region.contains(active) && active.matches("input, select, textarea");
        const filled = [...region.querySelectorAll("input, select, textarea")].some((field) =>
            field.type === "checkbox" || field.type === "radio"
                ? field.checked !== field.defaultChecked
                : "defaultValue" in field && field.value !== field.defaultValue);
        return selects || types || filled;
    };

    const replace = (region, newer) => {
        const focused = [...region.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
        const open = [...region.querySelectorAll("details")].map((each) => each.open);
        const kept = document.importNode(newer, true);
        kept.querySelectorAll("details").forEach((each, index) => {
            each.open = open[index] || each.open;
        });
        region.replaceWith(kept);
        if (focused >= 0) {
            const again = kept.querySelectorAll(FOCUSABLE)[focused];
            if (again) {
                again.focus({preventScroll: true});
            }
        }
    };

    const show = (page) => {
        let changes = 0;
        for (const region of document.querySelectorAll("[data-live]")) {
            const newer = page.getElementById(region.id);
            if (newer && newer.innerHTML !== region.innerHTML && !isInUse(region)) {
                replace(region, newer);
                changes += 1;
            }
        }
        return changes;
    };

    const tell = (text, isPressed) => {
        if (control.textContent !== text) {
            control.textContent = text;
        }
        control.setAttribute("aria-pressed", String(isPressed));
    };

    const poll = async () => {
        timer = null;
        try {
            const headers = tag ? {"If-None-Match": tag} : {};
            const answer = await fetch(window.location.href, {headers, cache: "no-store"});
            if (answer.redirected || (!answer.ok && answer.status !== 304)) {
                throw new Error(String(answer.status));
            }
            if (answer.status === 304) {
                seconds = Math.min(seconds * 1.5, SLOW_SECONDS);
            } else {
                const page = new DOMParser().parseFromString(await answer.text(), "text/html");
                tag = answer.headers.get("ETag") || "";
                seconds = show(page) ? FAST_SECONDS : Math.min(seconds * 1.5, SLOW_SECONDS);
            }
            tell(control.dataset.on, true);
        } catch (error) {
            seconds = SLOW_SECONDS;
            tell(control.dataset.lost, true);
        }
        plan();
    };

    const plan = () => {
        window.clearTimeout(timer);
        timer = isOn && !document.hidden ? window.setTimeout(poll, seconds * 1000) : null;
    };

    if (!control || !document.querySelector("[data-live]")) {
        return;
    }
    control.hidden = false;
    control.addEventListener("click", () => {
        isOn = !isOn;
        seconds = FAST_SECONDS;
        tell(isOn ? control.dataset.on : control.dataset.off, isOn);
        plan();
    });
    document.addEventListener("visibilitychange", () => {
        seconds = FAST_SECONDS;
        plan();
    });
    plan();
})();
