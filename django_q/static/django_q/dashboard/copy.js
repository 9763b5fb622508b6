/* Copies the text behind an address to the clipboard: <button hidden data-copy="address">. */
(() => {
    "use strict";

    if (!navigator.clipboard) {
        return;
    }
    const show = () => document.querySelectorAll("[data-copy][hidden]").forEach((button) => {
        button.hidden = false;
    });
    document.addEventListener("click", async (event) => {
        const button = event.target.closest("[data-copy]");
        if (!button) {
            return;
        }
        const answer = await fetch(button.dataset.copy);
        await navigator.clipboard.writeText(await answer.text());
        button.textContent = button.dataset.done;
    });
    // A region that is kept up to date comes with new buttons.
    new MutationObserver(show).observe(document.body, {childList: true, subtree: true});
    show();
})();
