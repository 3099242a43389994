/* Reads URLs with placeholders in them, unit by unit, beside url_place.c, which finds where they
 * begin and end.
 *
 * url_place.c notices a URL at "https:", at "//" or at the first character of a destination.
 * Therefore the letters, digits and signs before it are kept, and own_url_text() looks for the
 * scheme in them. A URL that begins with a host name alone (evil.example/…) has no scheme and is
 * no URL of the caller, and neither is a URL inside another one.
 *
 * Example: in "DB=postgres://app:<KEY_1>@db/x", the text is "postgres://app:<KEY_1>@db/x". */
#include "answer/own_url.h"

#include "base/ascii.h"
#include "base/mem.h"

/* Returns true for the signs of a scheme, and for those between it and the host. */
static bool
is_before_host(int c)
{
	return c > 0 && c < 0x80 && (is_alnum((char)c) || strchr("+.-:/", c));
}

static void
own_url_put(struct own_url *u, int c)
{
	if (c < 0 || u->n == sizeof(u->text))
		u->spoiled = true;
	else
		u->text[u->n++] = (char)c;
}

/* Reads a character of a shell's word before a URL. Quotes are part of the word. */
static void
note_own_word(struct own_url *u, int c)
{
	if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
		u->word = WORD_BEGINS;
	else if (u->word == WORD_ODD || c == '"' || c == '\'')
		return;
	else if (c == '=' && u->word != WORD_BEGINS)
		u->word = WORD_VALUE;
	else if (c > 0 && c < 0x80 && (is_alnum((char)c) || c == '_' || c == '-') &&
		 u->word != WORD_VALUE)
		u->word = WORD_NAME;
	else
		u->word = WORD_ODD;
}

/* Reads a character outside of URLs. */
static void
before_url(struct own_url *u, int c)
{
	if (is_before_host(c) && u->n < 64) {
		if (u->n == 0)
			u->odd_word = u->word == WORD_ODD || u->word == WORD_NAME;
		own_url_put(u, c);
	} else {
		u->n = 0;
	}
	note_own_word(u, c);
}

/* Returns true for a sign that ends a word of a shell or of program code. */
static bool
is_url_word_end(int c)
{
	return c > 0 && c < 0x80 && strchr(" \t\r\n;&|)<>", c);
}

void
own_url_step(struct own_url *u, const struct url_place *p, int c)
{
	enum url_at was = u->at;

	if (u->ended) {
		u->ended = u->spoiled = u->fresh = false;
		u->values = 0;
		u->n = 0;
	}
	u->at = p->at;
	switch (was) {
	case URL_OUT:
		before_url(u, c);
		u->begun = u->n;
		if (u->at == URL_FRESH)
			u->n = 0;
		break;
	case URL_FRESH:
		u->n = 0;
		u->fresh = u->at == URL_IN;
		if (u->fresh)
			own_url_put(u, c);
		break;
	case URL_IN:
		if (u->at == URL_IN)
			own_url_put(u, c);
		else
			u->ended = u->at == URL_OUT;
		u->quoted = u->at == URL_JOIN;
		break;
	default: /* URL_JOIN */
		/* a shell joins a word to the quoted one, and program code joins strings */
		u->spoiled |= u->at == URL_IN ||
			      (p->mode == URL_CALL && u->quoted && !is_url_word_end(c));
		u->quoted = false;
		u->ended = u->at == URL_OUT;
		break;
	}
	if (u->ended)
		note_own_word(u, c);
}

void
own_url_value(struct own_url *u, const struct url_place *p, struct span name)
{
	own_url_step(u, p, 'x');
	if (u->at != URL_IN || !u->n)
		return;
	u->n--;
	for (size_t i = 0; i < name.n; i++)
		own_url_put(u, (unsigned char)name.p[i]);
	u->values++;
	u->last = u->n;
}

void
own_url_stop(struct own_url *u)
{
	bool ended = u->at == URL_IN || u->at == URL_JOIN;

	if (!ended) {
		u->spoiled = u->fresh = false;
		u->values = 0;
		u->n = 0;
	}
	u->at = URL_OUT;
	u->ended = ended;
	u->word = WORD_BEGINS;
}

struct span
own_url_text(const struct own_url *u)
{
	const struct span none = { NULL, 0 };
	struct span s = span_of(u->text, u->n);
	const char *slashes = u->n ? memmem(s.p, s.n, "//", 2) : NULL;

	if (!u->ended || u->spoiled || !u->values || !slashes)
		return none;
	size_t at = (size_t)(slashes - s.p), from = at;
	if (at && s.p[at - 1] != ':')
		return none;
	for (from -= at > 0; from && is_before_host(s.p[from - 1]) &&
			     s.p[from - 1] != ':' && s.p[from - 1] != '/';)
		from--;
	/* the place became a URL at its scheme's colon or at its slashes, not before */
	if (u->fresh ? from > 0 : (at && at > u->begun) || at + 2 < u->begun)
		return none;
	if (at && (from + 1 >= at || !is_alpha(s.p[from])))
		return none;
	return at + 2 < s.n ? span_cut(s, from, s.n) : none;
}

struct span
own_url_authority(struct span url)
{
	const char *slashes = memmem(url.p, url.n, "//", 2);
	size_t at = slashes ? (size_t)(slashes - url.p) + 2 : url.n;

	while (at < url.n && !strchr("/?#\\", url.p[at]))
		at++;
	return span_cut(url, 0, at);
}

struct span
own_url_cut(struct span url, size_t last)
{
	size_t at = own_url_authority(url).n;

	for (at = at > last ? at : last; at < url.n; at++)
		if (strchr(",;|", url.p[at]))
			return span_cut(url, 0, at);
	return url;
}

/* ---- the URLs of a request ---- */

/* Returns the beginning of the word that contains the offset. */
static size_t
word_of(struct span text, size_t at, size_t least)
{
	size_t most = at > least + OWN_URL_MOST ? at - OWN_URL_MOST : least;

	while (at > most && (unsigned char)text.p[at - 1] > ' ')
		at--;
	return at;
}

/* Reads from `at` on until the word ends, and passes edits on the way. Returns the number of
 * edits that were passed. */
static size_t
read_own_word(struct own_url *u, struct span text, size_t *at, const struct text_edit *v,
	size_t n, own_url_found *found, void *arg)
{
	struct url_place p = { .mode = URL_KEPT };
	size_t passed = 0;

	for (bool more = true; more;) {
		bool edit = passed < n && v[passed].from == *at;
		more = edit || (*at < text.n && (unsigned char)text.p[*at] > ' ');
		if (edit) {
			url_place_step(&p, 'x');
			own_url_value(u, &p, v[passed].with);
			*at = v[passed].to > *at ? v[passed].to : *at + 1;
			passed++;
		} else if (!more || text.p[*at] == '\\') {
			/* in a text that is JSON, an escape ends the URL */
			own_url_stop(u);
			p = (struct url_place){ .mode = URL_KEPT };
			++*at;
		} else {
			url_place_step(&p, (unsigned char)text.p[*at]);
			own_url_step(u, &p, (unsigned char)text.p[*at]);
			++*at;
		}
		struct span url = own_url_text(u);
		if (url.p)
			found(arg, url);
	}
	return passed;
}

void
own_urls_each(struct span text, const struct text_edit *v, size_t n, own_url_found *found,
	void *arg)
{
	struct own_url *u = NULL;
	size_t at = 0;

	for (size_t i = 0; i < n;) {
		size_t from = word_of(text, v[i].from, at);
		/* a URL has its slashes before its first value */
		if (!memmem(text.p + from, v[i].from - from, "//", 2)) {
			at = v[i].to;
			i++;
			continue;
		}
		if (!u && !(u = mem_get_zeroed(sizeof(*u))))
			return;
		own_url_stop(u);
		at = from;
		i += read_own_word(u, text, &at, v + i, n - i, found, arg);
		u->ended = false;
		u->values = 0;
		u->n = 0;
	}
	if (u)
		mem_put(u, sizeof(*u));
}
