/* Any bytes as a file of shares and as JOURNAL.texts.head: opened, or refused with a reason. A
 * file that opened must open again with the same content. If the first byte is even, the input
 * is the two files themselves. If it is odd, the input is lines to which checks are added. A
 * line "--" separates file and head. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/replace.h"
#include "base/sha256.h"
#include "record/journal/journal.h"
#include "support/shares_count.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64], file[80], head[80];

static int
no_sync(int fd UNUSED)
{
	return 0;
}

static void
put_lines(const char *path, struct span text, bool checks)
{
	struct buf out;
	unsigned char hash[SHA256_BYTES];

	buf_init(&out, 0);
	while (checks && text.n) {
		bool whole = span_chr(text, '\n') < text.n;
		struct span line = span_next(&text, '\n');
		buf_span(&out, line);
		sha256(line, hash);
		if (whole) {
			buf_putc(&out, ' ');
			buf_hex(&out, hash, 4);
			buf_putc(&out, '\n');
		}
	}
	buf_span(&out, text);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	INVARIANT(fd >= 0 &&
		  (out.n == 0 || write(fd, buf_view(&out).p, out.n) == (ssize_t)out.n));
	close(fd);
	buf_free(&out);
}

static bool
every_other(void *arg, struct span holder UNUSED)
{
	return ++*(unsigned *)arg % 2;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf why, lost_why, erased;
	struct shares_count c, again;
	struct share b;
	uint64_t lost;
	unsigned turn = 0;

	if (!dir[0]) {
		strcpy(dir, "/tmp/tg-fuzz-shares.XXXXXX");
		INVARIANT(mkdtemp(dir));
		snprintf(file, sizeof(file), "%s/shares", dir);
		snprintf(head, sizeof(head), "%s/head", dir);
		replace_io.fsync = no_sync;
		journal_io.fdatasync = no_sync;
	}
	if (!size)
		return 0;
	struct span input = span_of(data + 1, size - 1);
	const char *parts = memmem(input.p, input.n, "\n--\n", 4);
	size_t first = parts ? (size_t)(parts - input.p) + 1 : input.n;
	put_lines(file, span_cut(input, 0, first), data[0] & 1);
	unlink(head);
	if (parts)
		put_lines(head, span_cut(input, first + 3, input.n), data[0] & 1);
	buf_init(&why, 4096);
	buf_init(&lost_why, 4096);
	buf_init(&erased, 0);
	struct shares *s = shares_open(file, head, "gw-1", &lost, &lost_why, &why);
	INVARIANT(s || why.n);
	INVARIANT(!s || (lost > 0) == (lost_why.n > 0));
	if (s) {
		c = shares_count(s);
		INVARIANT(!shares_dirty(s));
		shares_close(&s);
		s = shares_open(file, head, "gw-1", &lost, &lost_why, &why);
		INVARIANT(s && lost == 0);
		again = shares_count(s);
		INVARIANT(memcmp(&c, &again, sizeof(c)) == 0);
		int err = shares_get(s, SPAN_LIT("ann"), true, &b);
		INVARIANT(err ? err == ERR_FULL
			      : shares_find(s, b.number, &b, NULL) == SHARE_HERE);
		INVARIANT(shares_sync(s) == 0);
		INVARIANT(shares_erase(s, every_other, &turn, "e9", 1, 0, &erased) == 0);
		again = shares_count(s);
		shares_close(&s);
		s = shares_open(file, head, "gw-1", &lost, &lost_why, &why);
		INVARIANT(s && lost == 0 && shares_count(s).here == again.here);
		shares_close(&s);
	}
	buf_free(&why);
	buf_free(&lost_why);
	buf_free(&erased);
	return 0;
}
