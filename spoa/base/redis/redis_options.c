/* The options and the login of a Redis connection. The password can be in a file, which is read
 * at each connect. */
#include "base/redis/redis_options.h"

#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "base/keyfile.h"
#include "base/scoped.h"
#include "base/why.h"

int
redis_options_url(struct redis_options *o, const char *url)
{
	*o = (struct redis_options){ 0 };
	return redis_url_parse(url, &o->url);
}

/* Reads the password, which is the file's first line. */
static int
read_password(const char *file, char out[REDIS_NAME_MAX], struct buf *why)
{
	SCOPED_BUF(text, 4096);
	int err = keyfile_text(file, "a password", &text, why);
	if (err)
		return err;
	struct span s = buf_view(&text), line = span_trim(span_next(&s, '\n'), "\r");
	if (line.n == 0 || line.n >= REDIS_NAME_MAX || memchr(line.p, '\0', line.n))
		return why_err(why, ERR_RANGE, "%s: a line of 1 to %d bytes is expected", file,
			REDIS_NAME_MAX - 1);
	memcpy(out, line.p, line.n);
	out[line.n] = '\0';
	return 0;
}

int
redis_login(
	const struct redis_options *o, bool sentinel, struct redis_login *out, struct buf *why)
{
	const char *file = sentinel ? o->sentinel_password_file : o->password_file;
	int err = 0;

	sodium_memzero(out, sizeof(*out));
	strcpy(out->user, sentinel ? o->sentinel_user : o->url.user);
	if (file[0])
		err = read_password(file, out->password, why);
	else if (!sentinel)
		strcpy(out->password, o->url.password);
	/* For a user without a password, Redis accepts any password. */
	out->asked = out->user[0] || out->password[0];
	return err;
}
