/* An operator's rule file: refused with a place in the file, or compiled to rules that scan a
 * text. The text follows a line with "%%". */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "scan/detect/detect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char sample[] =
	"call 555-0123, id 4111 1111 1111 1111, key=abc123 passport: X1234567\n"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0000000000000000000000000000 \xc3\xa9\xff tel: 42";

static void
scan(struct detect_rules *r, struct span text)
{
	struct detect_scratch *s = detect_scratch_new(r);
	struct detect_options opt = { .before = SPAN_LIT("key") };
	struct findings f;
	struct arena a;

	INVARIANT(s != NULL);
	arena_init(&a, 0, false);
	int err = detect_scan(r, s, text, &opt, &a, &f);
	INVARIANT(err == 0 || err == ERR_LIMIT);
	for (size_t i = 0; i < f.n; i++) {
		INVARIANT(f.v[i].start < f.v[i].end && f.v[i].end <= text.n);
		INVARIANT(f.v[i].entity < detect_entity_count(r));
	}
	arena_reset(&a);
	detect_scratch_free(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	char path[64];
	struct span rules = span_of(data, size), text = span_of(sample, sizeof(sample) - 1);
	struct buf errors;
	const uint8_t *cut = size > 4 ? memmem(data, size, "\n%%\n", 4) : NULL;

	if (cut) {
		rules = span_of(data, (size_t)(cut - data) + 1);
		text = span_of(cut + 4, size - rules.n - 3);
	}
	if (fd < 0)
		fd = memfd_create("rules", MFD_CLOEXEC);
	INVARIANT(fd >= 0 && ftruncate(fd, 0) == 0);
	INVARIANT(pwrite(fd, rules.p, rules.n, 0) == (ssize_t)rules.n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	buf_init(&errors, 0);
	struct detect_rules *r = detect_load(path, &errors);
	/* Refused: with its place, or because memory is exhausted. */
	INVARIANT(!r == (errors.n > 0));
	if (!r)
		INVARIANT(span_starts(buf_view(&errors), span_str(path)));
	if (r)
		scan(r, text);
	detect_free(&r);
	buf_free(&errors);
	return 0;
}
