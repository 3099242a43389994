/* GET /health of tollgate-extract: whether it is there, and which tools it has. */
#include "gate/sources/extract_health.h"

#include <jansson.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/scoped.h"

enum { EVERY_LOOKS = 5, WITHIN_US = 2000000, HEALTH_BYTES = 64 << 10 };

static void
note_tools(struct extract_health *h, struct span answer)
{
	static const char *const tools[] = { "pdftotext", "pdftohtml", "pdftoppm",
		"tesseract" };
	json_t *said = json_loadb(answer.p, answer.n, 0, NULL),
	       *has = json_object_get(said, "tools");
	size_t n = 0;

	h->why[0] = '\0';
	if (!json_is_object(has))
		snprintf(h->why, sizeof(h->why), "tollgate-extract says nothing of its tools");
	for (size_t i = 0; json_is_object(has) && i < COUNT_OF(tools); i++)
		if (!json_is_true(json_object_get(has, tools[i])))
			n += (size_t)snprintf(h->why + n, sizeof(h->why) - n, "%s%s",
				n ? ", " : "not installed: ", tools[i]);
	json_decref(said);
}

static void
health_came(void *arg, const struct http_answer *a)
{
	struct extract_health *h = TAGGED(extract_health, arg);

	h->call = NULL;
	if (!a->err && a->status == 200)
		note_tools(h, a->body);
	else
		snprintf(h->why, sizeof(h->why), "tollgate-extract does not answer: %s",
			a->err ? a->why : "another status than 200");
}

void
extract_health_look(struct extract_health *h, struct ev_loop *loop, const char *path)
{
	TAG(extract_health, h);
	if (!path) {
		h->why[0] = '\0';
		return;
	}
	if (h->call || h->looks++ % EVERY_LOOKS)
		return;
	if (!h->http)
		h->http = http_client_new(loop, 1);
	SCOPED_BUF(url, 0);
	buf_printf(&url, "unix:%s:/health", path);
	buf_putc(&url, '\0');
	const struct http_call_options o = {
		.url = url.p, .deadline_us = WITHIN_US, .answer_bytes = HEALTH_BYTES
	};
	if (h->http && !buf_failed(&url))
		h->call = http_call(h->http, &o, health_came, h);
}

void
extract_health_stop(struct extract_health *h)
{
	http_client_free(&h->http);
	h->call = NULL;
}
