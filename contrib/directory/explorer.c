/* The files of web/ lie in the executable. Nothing may run on the page but its own script (the policy), and the script
 * writes what it was told as text only, never as markup. */

#include "contrib/directory/explorer.h"

#include <stdlib.h>
#include <string.h>

#define EMBED(name, path)                                                                                              \
    __asm__(".section .rodata\n" #name ":\n.incbin \"" path "\"\n" #name "_end:\n.byte 0\n.previous\n");               \
    extern const char name[], name##_end[]

EMBED(explorer_html, "contrib/directory/web/index.html");
EMBED(explorer_js, "contrib/directory/web/explorer.js");
EMBED(explorer_css, "contrib/directory/web/explorer.css");

static void answer(struct request *request, const char *type, const char *start, const char *end)
{
    size_t size = (size_t)(end - start);
    char *copy = malloc(size + 1);

    request->cache_control = "no-cache";
    request->security = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none';"
                        " form-action 'none'; frame-ancestors 'none'";
    if (!copy) {
        request_problem(request, 503, "out of memory");
        return;
    }
    memcpy(copy, start, size);
    request_answer_bytes(request, type, copy, size);
}

void explorer_page(struct directory *directory, struct request *request)
{
    answer(request, "text/html; charset=utf-8", explorer_html, explorer_html_end);
}

void explorer_script(struct directory *directory, struct request *request)
{
    answer(request, "text/javascript; charset=utf-8", explorer_js, explorer_js_end);
}

void explorer_style(struct directory *directory, struct request *request)
{
    answer(request, "text/css; charset=utf-8", explorer_css, explorer_css_end);
}
