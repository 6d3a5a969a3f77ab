// The loop of the chat page of 2013, letter by letter as it stood in the blog post. The lab shows this text and runs
// it. What it is given stands in for what was around it: see `seed.js`.

// @ts-nocheck
/* eslint-disable -- the year is 2013 */

export function createLoop($, PHPArray, ShowMessage) {

function PostSubmit(params, success) {
    $.post("comet_broadcast.asyn", params,
    success, "json");
}
function Keepline() {
    var array = new PHPArray("Keepline");
    var success = function (data, status) {
        if (data.ResponseStatus == 1) {
            ShowMessage(data.ResponseData, "recive");
        }
        Keepline();
    }
    PostSubmit(array.ToJson(), success);
}

return { PostSubmit, Keepline };
}
