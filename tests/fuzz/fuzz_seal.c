/* Any bytes as the record of a kept text, the record of a seal, an auditor's key, and a file of
 * texts. The first line is a JSON object. The rest is laid over the file after its head. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "record/seal/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[32], journal[48], file[160];

static void
begin_once(void)
{
	char folder[60], name[TEXTS_NAME_MAX];

	if (dir[0])
		return;
	strcpy(dir, "/tmp/tg-fuzz-seal.XXXXXX");
	INVARIANT(mkdtemp(dir));
	snprintf(journal, sizeof(journal), "%s/journal", dir);
	snprintf(folder, sizeof(folder), "%s" TEXTS_SUFFIX, journal);
	INVARIANT(mkdir(folder, 0700) == 0);
	texts_name("gw-1", 0, name);
	snprintf(file, sizeof(file), "%s/%s", folder, name);
}

static void
read_auditor(struct span name, struct span key)
{
	struct auditor a;
	struct buf why;

	buf_init(&why, 4096);
	int err = auditor_read(name, key, &a, &why);
	INVARIANT(err ? err == ERR_SYNTAX && why.n : strlen(a.id) == AUDITOR_ID_LEN && !why.n);
	buf_free(&why);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char k[32] = "a key of tests, known to all";
	struct span rest = span_of(data, size), line = span_next(&rest, '\n');
	unsigned char s0[SHARE_BYTES];
	struct buf out, why;
	char head[TEXTS_HEAD_BYTES];

	begin_once();
	read_auditor(line, rest);
	read_auditor(SPAN_LIT("one"), span_of(data, size));
	json_t *o = json_loadb(line.p ? line.p : "", line.n, 0, NULL);
	if (!o)
		return 0;
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	texts_head("gw-1", 0, head);
	INVARIANT(fd >= 0 && write(fd, head, sizeof(head)) == (ssize_t)sizeof(head));
	INVARIANT(!rest.n || write(fd, rest.p, rest.n) == (ssize_t)rest.n);
	close(fd);
	buf_init(&out, 0);
	buf_init(&why, 0);
	int checked = seal_check_text(o, journal, "gw-1", &why);
	INVARIANT((checked != 0) == (why.n > 0));
	int err = seal_open_text(o, journal, "gw-1", k, &out, &why);
	INVARIANT(err == checked || (!checked && err == ERR_AUTH));
	INVARIANT(!err || (out.n == 0 && why.n > 0));
	buf_clear(&why);
	err = seal_open_share(o, "gw-1", k, "0123456789abcdef", s0, &why);
	INVARIANT((err != 0) == (why.n > 0));
	json_decref(o);
	buf_free(&out);
	buf_free(&why);
	unlink(file);
	return 0;
}
