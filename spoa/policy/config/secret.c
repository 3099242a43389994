/* Reads secrets from a file or the environment. A configuration names the place of a secret and
 * never contains the secret itself. */
#include "policy/config/secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/err.h"
#include "base/file_set.h"
#include "base/scoped.h"
#include "base/why.h"

enum { SECRET_MAX = 64 << 10 }; /* bytes of a file */
#define FILE_PREFIX "file:"

/* Returns true for ${NAME}. */
static bool
is_variable(struct span s)
{
	return s.n >= 4 && span_starts(s, SPAN_LIT("${")) && !is_digit(s.p[2]) &&
	       span_past(s, 2, is_word) == s.n - 1 && s.p[s.n - 1] == '}';
}

bool
read_secret(struct arena *a, struct diag *d, const struct yaml_node *n, const char **out)
{
	size_t prefix = strlen(FILE_PREFIX);

	if (n->kind == YAML_SCALAR && is_variable(n->s)) {
		*out = arena_dup(a, n->s).p;
		return true;
	}
	if (n->kind == YAML_SCALAR && span_starts(n->s, SPAN_LIT(FILE_PREFIX)) &&
		n->s.n > prefix) {
		const char *path = path_beside(a, n->file ? n->file : "", n->s.p + prefix);
		if (path)
			diag_rotates(d, path);
		*out = path ? arena_printf(a, FILE_PREFIX "%s", path).p : NULL;
		return *out != NULL;
	}
	diag_at(d, n,
		"%.*s: file:PATH or an environment variable ${NAME} is expected, because this "
		"file must not contain a secret",
		SPAN_ARG(read_name(n, "secret")));
	return false;
}

static int
from_file(const char *path, struct buf *out, struct buf *why)
{
	SCOPED_BUF(text, SECRET_MAX);

	if (!file_set_read_as(FILE_ROTATES, &text, path))
		return why_err(why, ERR_IO, "%s: %s", path, strerror(errno));
	if (buf_failed(&text))
		return why_err(why, ERR_LIMIT, "%s: over %d bytes", path, SECRET_MAX);
	struct span s = buf_view(&text);
	while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	buf_span(out, s);
	return 0;
}

int
secret_load(const char *ref, struct buf *out, struct buf *why)
{
	int err = 0;

	if (ref[0] == '$') {
		char name[256];
		snprintf(name, sizeof(name), "%.*s", (int)strlen(ref) - 3, ref + 2);
		const char *value = getenv(name);
		if (!value)
			return why_err(
				why, ERR_NOTFOUND, "%s is not set in the environment", name);
		buf_str(out, value);
	} else {
		err = from_file(ref + strlen(FILE_PREFIX), out, why);
	}
	return err || out->n ? err : why_err(why, ERR_NOTFOUND, "%s is empty", ref);
}
