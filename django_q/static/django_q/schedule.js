// Shows the fields that the chosen type of schedule needs.
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
});
