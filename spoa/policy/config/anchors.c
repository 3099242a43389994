/* anchors: [{KIND: PLACE, every: …}], witness: {logs: [{origin, key}]}. */
#include "policy/config/anchors.h"

#include <stddef.h>
#include <sys/un.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/fetch/http_client.h"
#include "policy/config/read.h"

#define EVERY_US  (60 * SECOND_US)
#define PLACE_MAX 511 /* bytes */

const char *const anchor_words[ANCHOR_KINDS + 1] = { "file", "syslog", "url", "tsa", "witness",
	NULL };

/* "tls://HOST:PORT", "tcp://HOST:PORT", "unix:/PATH" (datagrams). NULL where it will do, else
 * what is wrong with it. */
static const char *
syslog_check(const char *text)
{
	struct span s = span_str(text), port;
	struct sockaddr_un un;
	uint64_t number;

	if (span_starts(s, SPAN_LIT("unix:")))
		return s.n < 7 || s.p[5] != '/' || s.n - 5 >= sizeof(un.sun_path)
			       ? "unix:/PATH is expected, the path shorter than 108 bytes"
			       : NULL;
	if (!span_starts(s, SPAN_LIT("tls://")) && !span_starts(s, SPAN_LIT("tcp://")))
		return "tls://HOST:PORT, tcp://HOST:PORT or unix:/PATH is expected";
	s = span_cut(s, 6, s.n);
	size_t colon = s.n;
	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	port = span_cut(s, colon, s.n);
	if (colon < 2 || span_u64(port, &number) || number == 0 || number > 65535 ||
		!span_is_alnum(span_cut(s, 0, colon - 1), ".-_:[]"))
		return "HOST:PORT is expected, IPv6 in brackets";
	return NULL;
}

static const char *(*const wrong[ANCHOR_KINDS])(const char *) = {
	[ANCHOR_SYSLOG] = syslog_check,
	[ANCHOR_URL] = http_url_check,
	[ANCHOR_TSA] = http_url_check,
	[ANCHOR_WITNESS] = http_url_check,
};

#define AT(field) offsetof(struct anchor_place, field)
/* Files, and for which kinds. */
static const struct {
	const char *name;
	size_t place;
	unsigned kinds, needed;
} files[] = {
	{ "ca", AT(ca), 1u << ANCHOR_TSA, 1u << ANCHOR_TSA },
	{ "key", AT(key), 1u << ANCHOR_WITNESS, 1u << ANCHOR_WITNESS },
	{ "tls_ca", AT(tls_ca),
		1u << ANCHOR_SYSLOG | 1u << ANCHOR_URL | 1u << ANCHOR_TSA |
			1u << ANCHOR_WITNESS,
		0 },
};

static void
check_long(struct diag *d, const struct yaml_node *n, const char *what, const char *text)
{
	if (text && strlen(text) > PLACE_MAX)
		diag_at(d, n, "anchors: %s: longer than %d bytes", what, PLACE_MAX);
}

static void
read_files(struct arena *a, struct diag *d, const struct yaml_node *n, struct anchor_place *p)
{
	const char *kind = anchor_words[p->kind];

	for (size_t i = 0; i < COUNT_OF(files); i++) {
		const struct yaml_node *v = yaml_get(n, files[i].name);
		const char **out = (const char **)(uintptr_t)((const char *)p + files[i].place);
		if (v && !(files[i].kinds >> p->kind & 1))
			diag_at(d, v->key, "anchors: %s: has no meaning for %s", files[i].name,
				kind);
		else if (v && read_path(a, d, v, out))
			check_long(d, v, files[i].name, *out);
		else if (!v && files[i].needed >> p->kind & 1)
			diag_at(d, n, "anchors: %s: %s is missing", kind, files[i].name);
	}
}

static void
read_place(struct arena *a, struct diag *d, const struct yaml_node *n, struct anchor_place *p)
{
	static const char *const accepted[] = { "file", "syslog", "url", "tsa", "witness",
		"every", "ca", "tls_ca", "key", NULL };
	const struct yaml_node *place = NULL, *every;
	const char *why = NULL;

	if (!read_map(d, n, "anchors", accepted, NULL))
		return;
	p->at = n;
	p->every_us = EVERY_US;
	for (unsigned i = 0; i < ANCHOR_KINDS; i++) {
		const struct yaml_node *v = yaml_get(n, anchor_words[i]);
		if (v && place)
			diag_at(d, v->key, "anchors: %s: an entry has one place",
				anchor_words[i]);
		else if (v)
			p->kind = (enum anchor_kind)i;
		place = place ? place : v;
	}
	if (!place) {
		diag_at(d, n, "anchors: one of file, syslog, url, tsa and witness is expected");
		return;
	}
	if ((every = yaml_get(n, "every")))
		read_duration_us(d, every, SECOND_US, 86400 * SECOND_US, &p->every_us);
	read_files(a, d, n, p);
	bool read = p->kind == ANCHOR_FILE
			    ? read_path(a, d, place, &p->place)
			    : read_text(d, place, anchor_words[p->kind], &p->place);
	if (read)
		check_long(d, place, anchor_words[p->kind], p->place);
	if (read && wrong[p->kind])
		why = wrong[p->kind](p->place);
	if (!why && read && p->kind == ANCHOR_SYSLOG && p->tls_ca &&
		strncmp(p->place, "tls:", 4) != 0)
		why = "tls_ca is given, and it is without TLS (tls://)";
	if (why)
		diag_at(d, place, "anchors: %s: %s", anchor_words[p->kind], why);
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
				diag_at(d, c, "anchors: %s is given twice", p->place);
	}
}

static void
read_log(struct arena *a, struct diag *d, const struct yaml_node *n, struct witness_log *l)
{
	static const char *const accepted[] = { "origin", "key", NULL };

	if (!read_map(d, n, "witness.logs", accepted, NULL))
		return;
	l->at = n;
	const struct yaml_node *c = read_needed(d, n, n, "witness.logs", "origin");
	if (c && read_text(d, c, "witness.logs: origin", &l->origin) && strlen(l->origin) > 255)
		diag_at(d, c, "witness.logs: origin: longer than 255 bytes");
	if ((c = read_needed(d, n, n, "witness.logs", "key")))
		read_path(a, d, c, &l->key);
}

void
witness_logs_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct witness_log **out, size_t *count)
{
	*out = read_room(a, d, n, "witness.logs", CAP_WITNESS_LOGS, sizeof(**out));
	if (!*out)
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		struct witness_log *l = &(*out)[(*count)++];
		read_log(a, d, c, l);
		for (struct witness_log *o = *out; l->origin && o < l; o++)
			if (str_same(o->origin, l->origin))
				diag_at(d, c, "witness.logs: origin %s is given twice",
					l->origin);
	}
}

bool
anchors_same(const struct anchor_place *x, size_t nx, const struct anchor_place *y, size_t ny)
{
	bool same = nx == ny;

	for (size_t i = 0; same && i < nx; i++)
		same = x[i].kind == y[i].kind && x[i].every_us == y[i].every_us &&
		       str_same(x[i].place, y[i].place) && str_same(x[i].ca, y[i].ca) &&
		       str_same(x[i].tls_ca, y[i].tls_ca) && str_same(x[i].key, y[i].key);
	return same;
}

bool
witness_logs_same(
	const struct witness_log *x, size_t nx, const struct witness_log *y, size_t ny)
{
	bool same = nx == ny;

	for (size_t i = 0; same && i < nx; i++)
		same = str_same(x[i].origin, y[i].origin) && str_same(x[i].key, y[i].key);
	return same;
}
