/* Determines what depends on the machine: HAProxy's version, the variables that its files may
 * use, and which files Debian's service loads. */
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/scoped.h"
#include "operator/edge/haproxy_file.h"

bool
haproxy_set_version(struct haproxy *h, struct span text)
{
	size_t i = 0;

	while (i < text.n && !is_digit(text.p[i]))
		i++;
	for (size_t part = 0; part < COUNT_OF(h->version); part++) {
		unsigned v = 0;
		if (i >= text.n || !is_digit(text.p[i]))
			return part >= 2;
		while (i < text.n && is_digit(text.p[i]) && v < 1000)
			v = v * 10 + (unsigned)(text.p[i++] - '0');
		h->version[part] = v;
		if (i >= text.n || text.p[i] != '.')
			return part >= 1;
		i++;
	}
	return true;
}

bool
haproxy_ask_version(struct haproxy *h, const char *binary)
{
	char command[4096], line[256] = "";

	if (binary && strchr(binary, '\''))
		return false;
	snprintf(command, sizeof(command), "'%s' -vv 2>/dev/null", binary ? binary : "haproxy");
	FILE *f = popen(command, "re");
	if (!f)
		return false;
	bool got = fgets(line, sizeof(line), f) != NULL;
	while (getc(f) != EOF)
		/* Read to the end, so that HAProxy is not killed by SIGPIPE and its exit status
		 * counts. */
		;
	return pclose(f) == 0 && got && haproxy_set_version(h, span_str(line));
}

bool
haproxy_version_atleast(const struct haproxy *h, unsigned major, unsigned minor, unsigned patch)
{
	const unsigned want[] = { major, minor, patch };

	if (!h->version[0])
		return false;
	for (size_t i = 0; i < COUNT_OF(want); i++)
		if (h->version[i] != want[i])
			return h->version[i] > want[i];
	return true;
}

struct span
haproxy_variable(const struct haproxy *h, struct span name)
{
	char text[256];

	for (size_t i = h->nvariable; i-- > 0;) {
		struct span v = h->variable[i];
		if (v.n > name.n && v.p[name.n] == '=' && span_starts(v, name))
			return span_cut(v, name.n + 1, v.n);
	}
	if (name.n >= sizeof(text))
		return span_of(NULL, 0);
	memcpy(text, name.p, name.n);
	text[name.n] = 0;
	return span_str(getenv(text));
}

void
haproxy_setenv(struct haproxy *h, struct span name, struct span value)
{
	struct span *v = arena_grow(
		&h->arena, h->variable, h->nvariable, &h->variable_room, sizeof(*v), 16);

	if (!v)
		return;
	h->variable = v;
	v[h->nvariable++] =
		arena_printf(&h->arena, "%.*s=%.*s", SPAN_ARG(name), SPAN_ARG(value));
}

void
haproxy_environment(struct haproxy *h, const char *file)
{
	SCOPED_BUF(text, 1 << 20);
	if (buf_file(&text, file)) {
		struct span rest = buf_view(&text);
		while (rest.p) {
			struct span line = span_trim(span_next(&rest, '\n'), " \t\r");
			struct span value = line, name = span_next(&value, '=');
			if (name.n == 0 || !value.p || *name.p == '#')
				continue;
			value = span_trim(value, " \t");
			if (value.n >= 2 && (*value.p == '"' || *value.p == '\'') &&
				value.p[value.n - 1] == *value.p)
				value = span_cut(value, 1, value.n - 1);
			haproxy_setenv(h, name, value);
		}
	}
}

const char *
haproxy_config(const struct haproxy *h)
{
	struct span config = haproxy_variable(h, SPAN_LIT("CONFIG"));

	return config.n ? config.p : "/etc/haproxy/haproxy.cfg";
}

size_t
haproxy_extraopts(
	const struct haproxy *h, struct arena *a, const char **files, size_t n, size_t most)
{
	struct span rest = haproxy_variable(h, SPAN_LIT("EXTRAOPTS"));
	struct span folder = SPAN_LIT("/etc/haproxy");
	const char *config = haproxy_config(h);
	bool debian = false, file = false, named = false, has_config = false;

	for (size_t i = 0; i < n; i++) {
		debian |= span_starts(span_str(files[i]), folder) &&
			  (!files[i][folder.n] || files[i][folder.n] == '/');
		has_config |= !strcmp(files[i], config);
	}
	while (debian && rest.p && n < most) {
		struct span word = span_next(&rest, ' ');
		bool there = false;
		for (size_t i = 0; i < n; i++)
			there |= span_is(word, files[i]);
		named |= file && there;
		if (file && word.n && !there)
			files[n++] = arena_dup(a, word).p;
		file = span_is(word, "-f");
	}
	if (named && !has_config && n < most) {
		memmove(files + 1, files, n++ * sizeof(*files));
		files[0] = arena_strdup(a, config);
	}
	return n;
}
