/* Reads `anchors` of tollgate.yaml: a list of {KIND: PLACE, every: …}. Each row is checked: one
 * place, the files that its kind needs, and no files that its kind cannot have. */
#include "policy/config/anchors.h"

#include <sys/un.h>

#include "base/among.h"
#include "base/caps.h"
#include "base/fetch/http_client.h"
#include "policy/config/read.h"
#include "policy/config/rows.h"

#define EVERY_US  (60 * SECOND_US) /* default of `every` */
#define PLACE_MAX 511		   /* bytes */

const char *const anchor_words[ANCHOR_KINDS + 1] = { "file", "syslog", "url", "tsa", "witness",
	NULL };

/* Checks tls://HOST:PORT, tcp://HOST:PORT or unix:/PATH (a socket of datagrams). Returns NULL,
 * or the reason why `text` is none of these. */
static const char *
syslog_check(const char *text)
{
	struct span s = span_str(text), port;
	struct sockaddr_un un;
	uint64_t number;

	if (span_starts(s, SPAN_LIT("unix:")))
		return s.n < 7 || s.p[5] != '/' || s.n - 5 >= sizeof(un.sun_path)
			       ? "unix:/PATH is expected, with a path shorter than 108 bytes"
			       : NULL;
	if (!span_starts(s, SPAN_LIT("tls://")) && !span_starts(s, SPAN_LIT("tcp://")))
		return "tls://HOST:PORT, tcp://HOST:PORT or unix:/PATH is expected";
	s = span_cut(s, 6, s.n);
	size_t colon = span_behind(s, ':');
	port = span_cut(s, colon, s.n);
	if (colon < 2 || span_u64(port, &number) || number == 0 || number > 65535 ||
		!span_is_alnum(span_cut(s, 0, colon - 1), ".-_:[]"))
		return "HOST:PORT is expected, IPv6 in brackets";
	return NULL;
}

/* clang-format off */
const struct section anchor_section = { "anchors", .fields = {
	{ "file", A_FILE_TO(anchor_place, place, PLACE_MAX) },
	{ "syslog", A_TEXT_TO(anchor_place, place, PLACE_MAX), NULL, syslog_check },
	{ "url", A_TEXT_TO(anchor_place, place, PLACE_MAX), NULL, http_url_check },
	{ "tsa", A_TEXT_TO(anchor_place, place, PLACE_MAX), NULL, http_url_check },
	{ "witness", A_TEXT_TO(anchor_place, place, PLACE_MAX), NULL, http_url_check },
	{ "every", A_DURATION(anchor_place, every_us, SECOND_US, 86400 * SECOND_US) },
	{ "ca", A_FILE_TO(anchor_place, ca, PLACE_MAX) },
	{ "tls_ca", A_FILE_TO(anchor_place, tls_ca, PLACE_MAX) },
	{ "key", A_FILE_TO(anchor_place, key, PLACE_MAX) },
}, .size = sizeof(struct anchor_place) };
/* clang-format on */

/* Files of a row, the kinds that may have them, and the kinds that need them. */
static const struct {
	const char *name;
	unsigned kinds, needed;
} files[] = {
	{ "ca", 1u << ANCHOR_TSA, 1u << ANCHOR_TSA },
	{ "key", 1u << ANCHOR_WITNESS, 1u << ANCHOR_WITNESS },
	{ "tls_ca", ~(1u << ANCHOR_FILE), 0 },
};

/* Reads one row. */
static void
read_place(struct arena *a, struct diag *d, const struct yaml_node *n, struct anchor_place *p)
{
	const struct yaml_node *place = NULL;

	p->at = n;
	p->every_us = EVERY_US;
	if (!fields_read(a, d, n, &anchor_section, p))
		return;
	for (unsigned i = 0; i < ANCHOR_KINDS; i++) {
		const struct yaml_node *v = yaml_get(n, anchor_words[i]);
		if (v && place)
			diag_at(d, v->key,
				"anchors: %s: the entry already has a place: write a second "
				"entry",
				anchor_words[i]);
		else if (v)
			p->kind = (enum anchor_kind)i;
		place = place ? place : v;
	}
	if (!place) {
		diag_at(d, n, "anchors: one of file, syslog, url, tsa and witness is expected");
		return;
	}
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		const struct yaml_node *v = yaml_get(n, files[i].name);
		if (v && !(files[i].kinds >> p->kind & 1))
			diag_at(d, v->key, "anchors: %s: is not for %s: remove it",
				files[i].name, anchor_words[p->kind]);
		else if (!v && files[i].needed >> p->kind & 1)
			diag_at(d, n, "anchors: %s: %s is missing", anchor_words[p->kind],
				files[i].name);
	}
	if (p->kind == ANCHOR_SYSLOG && p->place && p->tls_ca &&
		strncmp(p->place, "tls:", 4) != 0)
		diag_at(d, place,
			"anchors: syslog: tls_ca needs TLS: use tls://HOST:PORT, or remove "
			"tls_ca");
}

void
anchors_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct anchor_place **out, size_t *count)
{
	*out = read_room(a, d, n, "anchors", CAP_ANCHOR_PLACES, sizeof(**out));
	if (!*out)
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		struct anchor_place *p = &(*out)[(*count)++];
		read_place(a, d, c, p);
		for (struct anchor_place *o = *out; p->place && o < p; o++)
			if (o->kind == p->kind && str_same(o->place, p->place))
				diag_at(d, c, "anchors: %s is listed twice", p->place);
	}
}
