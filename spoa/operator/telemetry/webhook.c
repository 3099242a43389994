/* Standard Webhooks 1.0 (standard-webhooks.com): the signature is an HMAC-SHA256 over
 * ID.SECONDS.BODY. The body has the member `text`, which the incoming webhooks of Slack, Teams
 * and Mattermost show. */
#include "operator/telemetry/webhook.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/codec/base64.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/keyfile.h"
#include "base/scoped.h"
#include "base/utf8.h"

#define SECRET_PREFIX "whsec_"
enum { SECRET_MIN = 24, SECRET_MAX = 64 };

void
webhook_also(struct webhook_also *a, const char *line)
{
	a->suppressed++;
	if (a->n == WEBHOOK_ALSO)
		memmove(a->line[0], a->line[1], sizeof(a->line[0]) * --a->n);
	snprintf(a->line[a->n++], NOTICE_TEXT, "%s", line);
}

/* ---- the body ---- */

/* Letters of Latin scripts stay. Other characters outside ASCII could make the text look
 * different (bidi), and signs of markup, mentions and links could pass as ours. */
void
webhook_plain(char *text)
{
	size_t n = strlen(text), to = 0;

	for (size_t i = 0; i < n;) {
		size_t len = utf8_sequence(text + i, n - i);
		unsigned char c = (unsigned char)text[i];
		bool letter = len == 2 && c >= 0xc3 && c <= 0xc9;
		bool plain = len == 1 && c >= ' ' && c < 127 && !strchr("<>@`*~|[]#!\\&", c) &&
			     !(c == '/' && to && text[to - 1] == '/');
		if (letter || plain)
			for (size_t k = 0; k < len; k++)
				text[to++] = text[i + k];
		else
			text[to++] = '?';
		i += len ? len : 1;
	}
	text[to] = '\0';
}

static void
put_webhook_text(struct buf *b, const char *name, const char *text)
{
	json_put_name(b, name);
	buf_json_utf8(b, span_str(text));
}

static void
put_webhook_time(struct buf *b, const char *name, int64_t ns)
{
	char when[CLOCK_SECOND_LEN];

	clock_second(ns, when);
	json_put_str(b, name, when);
}

void
webhook_body(struct buf *out, const struct notice *m, const struct webhook_also *also,
	const char *node)
{
	json_put_open(out, NULL, '{');
	json_put_printf(out, "type", "\"tollgate.%s\"", notice_words[m->kind]);
	put_webhook_time(out, "timestamp", m->at_ns);
	put_webhook_text(out, "kind", notice_words[m->kind]);
	put_webhook_text(out, "what", m->what);
	put_webhook_text(out, "state", m->over ? "end" : "begin");
	put_webhook_text(out, "name", m->name);
	put_webhook_time(out, "since", m->since_ns);
	if (m->until_ns)
		put_webhook_time(out, "until", m->until_ns);
	put_webhook_text(out, "node", node);
	json_put_printf(out, "numbers", "{%s}", m->numbers);
	json_put_uint(out, "suppressed", also->suppressed);
	json_put_open(out, "also", '[');
	for (size_t i = 0; i < also->n; i++) {
		char line[NOTICE_TEXT];
		snprintf(line, sizeof(line), "%s", also->line[i]);
		webhook_plain(line);
		put_webhook_text(out, NULL, line);
	}
	json_put_close(out, ']');
	char line[NOTICE_TEXT + 160], more[64] = "";

	if (also->suppressed)
		snprintf(more, sizeof(more), " (and %" PRIu64 " more since the last message)",
			also->suppressed);
	snprintf(line, sizeof(line), "tollgate %s: %s%s%s", node, m->over ? "over: " : "",
		m->text, more);
	webhook_plain(line);
	put_webhook_text(out, "text", line);
	json_put_close(out, '}');
}

/* ---- the signature ---- */

static int
sign_with(
	struct span secret, const char *id, int64_t seconds, struct span body, struct buf *out)
{
	unsigned char key[SECRET_MAX], mac[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state h;
	char before[128];
	size_t n = 0;

	if (!span_starts(secret, SPAN_LIT(SECRET_PREFIX)) ||
		base64_get(span_cut(secret, strlen(SECRET_PREFIX), secret.n), key, sizeof(key),
			&n) ||
		n < SECRET_MIN) {
		sodium_memzero(key, sizeof(key));
		return ERR_SYNTAX;
	}
	snprintf(before, sizeof(before), "%s.%" PRId64 ".", id, seconds);
	crypto_auth_hmacsha256_init(&h, key, n);
	crypto_auth_hmacsha256_update(&h, (const unsigned char *)before, strlen(before));
	crypto_auth_hmacsha256_update(&h, (const unsigned char *)body.p, body.n);
	crypto_auth_hmacsha256_final(&h, mac);
	buf_printf(out, "%sv1,", out->n ? " " : "");
	base64_put(out, mac, sizeof(mac));
	sodium_memzero(key, sizeof(key));
	sodium_memzero(&h, sizeof(h));
	return 0;
}

/* Signs with each secret of the file (one a line, at most WEBHOOK_SECRETS), so a receiver can
 * change to a new secret without a gap. */
int
webhook_sign(const char *secret_file, const char *id, int64_t seconds, struct span body,
	char out[WEBHOOK_SIGNATURES], struct buf *why)
{
	size_t n = 0;

	SCOPED_BUF(text, 4096);
	SCOPED_BUF(all, WEBHOOK_SIGNATURES - 1);
	int err = keyfile_text(secret_file, "the secret of webhooks", &text, why);
	struct span rest = buf_view(&text);
	while (!err && rest.n) {
		struct span line = span_trim(span_next(&rest, '\n'), " \t\r");
		if (!line.n)
			continue;
		err = n++ < WEBHOOK_SECRETS ? sign_with(line, id, seconds, body, &all)
					    : ERR_LIMIT;
		if (err)
			buf_printf(why, "%s: line %zu: %s", secret_file, n,
				err == ERR_LIMIT ? "the file has more than 4 secrets: delete "
						   "some"
						 : "write whsec_ and the base64 of 24 to 64 "
						   "bytes");
	}
	if (!err && !n) {
		buf_printf(why,
			"%s: the file has no secret: write whsec_ and the base64 of "
			"24 to 64 bytes",
			secret_file);
		err = ERR_SYNTAX;
	}
	if (!err)
		snprintf(out, WEBHOOK_SIGNATURES, "%.*s", SPAN_ARG(buf_view(&all)));
	return err;
}
