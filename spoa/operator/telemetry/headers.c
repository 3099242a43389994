/* Reads the file of header fields. Memory that holds them is erased before it is freed. */
#include "operator/telemetry/headers.h"

#include <sodium.h>

#include "base/ascii.h"
#include "base/err.h"
#include "base/keyfile.h"
#include "base/log.h"
#include "base/scoped.h"

static bool
is_value(struct span s)
{
	return s.n > 0 && span_past(s, 0, is_in_line) == s.n;
}

/* Returns true for fields that every batch sets itself. */
static bool
is_ours(struct span name)
{
	static const char *const ours[] = { "content-type", "content-length",
		"content-encoding", "transfer-encoding", "host", "connection", "expect" };

	for (size_t i = 0; i < COUNT_OF(ours); i++)
		if (span_ieq(name, span_str(ours[i])))
			return true;
	return false;
}

static void
erase_buf(struct buf *b)
{
	if (b->p)
		sodium_memzero(b->p, b->n + b->start);
	buf_free(b);
}

/* Splits the text into lines, each terminated with a NUL in place. */
static int
read_header_lines(struct headers *h, const char *file, struct buf *why)
{
	struct span rest = buf_view(&h->text);
	unsigned line = 0;

	h->n = 0;
	while (rest.n) {
		struct span l = span_trim(span_next(&rest, '\n'), " \t\r"), value = l;
		line++;
		if (!l.n || l.p[0] == '#')
			continue;
		struct span name = span_next(&value, ':');
		value = span_trim(value, " \t");
		const char *wrong =
			h->n == HEADERS_MOST ? "the file has more than 16 fields: delete some"
			: !name.n || span_past(name, 0, is_tchar) < name.n || !is_value(value)
				? "write \"Name: value\""
			: is_ours(name) ? "the daemon sets this field itself: delete the line"
					: NULL;
		if (wrong) {
			buf_printf(why, "%s:%u: %s", file, line, wrong);
			return ERR_SYNTAX;
		}
		((char *)(uintptr_t)l.p)[l.n] = '\0';
		h->line[h->n++] = l.p;
	}
	if (h->n)
		return 0;
	buf_printf(why, "%s: the file has no header field", file);
	return ERR_SYNTAX;
}

int
headers_open(struct headers *h, const char *file, struct buf *why)
{
	struct stat st;

	memset(h, 0, sizeof(*h));
	if (!file)
		return 0;
	buf_init(&h->text, HEADERS_BYTES);
	if (stat(file, &st) == 0) {
		h->changed = st.st_mtim;
		h->inode = st.st_ino;
	}
	int err = keyfile_text(file, "header fields for the collector", &h->text, why);
	buf_putc(&h->text, '\0'); /* room for the NUL of the last line */
	if (!err && buf_failed(&h->text)) {
		buf_printf(why, "%s: the file is larger than %d bytes", file, HEADERS_BYTES);
		err = ERR_LIMIT;
	}
	h->text.n -= h->text.n > 0;
	if (!err)
		err = read_header_lines(h, file, why);
	h->file = file;
	if (err)
		erase_buf(&h->text);
	return err;
}

void
headers_again(struct headers *h)
{
	struct headers now;
	struct stat st;

	if (!h->file || stat(h->file, &st) < 0 ||
		(st.st_ino == h->inode && st.st_mtim.tv_sec == h->changed.tv_sec &&
			st.st_mtim.tv_nsec == h->changed.tv_nsec))
		return;
	h->changed = st.st_mtim;
	h->inode = st.st_ino;
	SCOPED_BUF(why, 1024);
	if (headers_open(&now, h->file, &why) == 0) {
		headers_close(h);
		*h = now;
	} else {
		log_event(LOG_WARN, "telemetry.headers", LSP("why", buf_view(&why)));
	}
}

void
headers_close(struct headers *h)
{
	erase_buf(&h->text);
	memset(h, 0, sizeof(*h));
}
