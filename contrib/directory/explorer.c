/* The files of web/, and the API's description, lie in the executable. Nothing may run on the page but its own script
 * (the policy), and the script writes what it was told as text only, never as markup. */

#include "contrib/directory/explorer.h"

#include "contrib/directory/embed.h"

#include <stdlib.h>
#include <string.h>

EMBED(explorer_html, "contrib/directory/web/index.html");
EMBED(explorer_js, "contrib/directory/web/explorer.js");
EMBED(explorer_verify, "contrib/directory/web/verify.js");
EMBED(explorer_css, "contrib/directory/web/explorer.css");
EMBED(openapi_json, "contrib/directory/openapi.json");

static void answer(struct directory *directory, struct request *request, const char *type, const char *start,
                   const char *end)
{
    size_t size = (size_t)(end - start);
    char *copy = malloc(size + 1);

    request->cache_control = "no-cache";
    request->tagged = true;
    request->security = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none';"
                        " form-action 'none'; frame-ancestors 'none'";
    if (!copy) {
        request_problem(request, 503, "out of memory");
        return;
    }
    memcpy(copy, start, size);
    request_answer_bytes(request, type, copy, size);
    directory_gzip(directory, request);
}

void explorer_page(struct directory *directory, struct request *request)
{
    answer(directory, request, "text/html; charset=utf-8", explorer_html, explorer_html_end);
}

void explorer_script(struct directory *directory, struct request *request)
{
    answer(directory, request, "text/javascript; charset=utf-8", explorer_js, explorer_js_end);
}

void explorer_module(struct directory *directory, struct request *request)
{
    answer(directory, request, "text/javascript; charset=utf-8", explorer_verify, explorer_verify_end);
}

void explorer_style(struct directory *directory, struct request *request)
{
    answer(directory, request, "text/css; charset=utf-8", explorer_css, explorer_css_end);
}

void explorer_openapi(struct directory *directory, struct request *request)
{
    answer(directory, request, "application/json", openapi_json, openapi_json_end);
}
