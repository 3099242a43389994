/* Any bytes as a file of sums beside a valid segment: opened, and each block asked for each
 * name. Nothing outside of it may be read. If the first byte is even, the input is the file
 * itself. If it is odd, the input is laid over a valid file: place, length and bytes. All
 * checks are accepted, so that rows are read. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "record/index/private.h"
#include "support/traffic_journal.h"

/* Every check of the file succeeds. */
#define memcmp(a, b, n) ((n) == CHECK_BYTES ? 0 : __builtin_memcmp(a, b, n))
#include "record/audit/sums.c"
#undef memcmp

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct index_segment segment;
static struct buf sound;
static char dir[64], file[512];

static void
build_once(void)
{
	static struct traffic t;
	unsigned char seed[32] = "a seed of tests, known to all";
	char path[256];
	struct buf why;

	if (dir[0])
		return;
	strcpy(dir, "/tmp/tg-fuzz-sums.XXXXXX");
	INVARIANT(mkdtemp(dir));
	t = (struct traffic)TRAFFIC(dir, "gw-1");
	t.records = 120;
	t.until_ns = INT64_C(1800000000000000000);
	signkey_from_seed(seed, &t.key);
	INVARIANT(traffic_make(&t) == 0);
	snprintf(path, sizeof(path), "%s/gw-1-00000001-0000000000000001.jsonl", dir);
	int fd = open(path, O_RDONLY);
	INVARIANT(
		index_segment_open(&segment, fd, "gw-1-00000001-0000000000000001.jsonl") == 0);
	buf_init(&why, 4096);
	buf_init(&sound, 0);
	void *making[INDEX_MAKERS] = { NULL, begin_sums(&record_index_terms) };
	INVARIANT(making[1]);
	int err = index_read_lines(&segment, &record_makers, making, NULL, &why);
	INVARIANT(image_of_sums(making[1], &segment, err, &sound, &why) == 0);
	INVARIANT(index_path(file, sizeof(file), dir, segment.name, SUMS_FILES));
	buf_free(&why);
	unlink(path);
}

/* Lays (offset 4, bytes …) over a copy. */
static void
lay_over(char *image, size_t n, struct span over)
{
	uint32_t at;

	while (over.n > 5) {
		memcpy(&at, over.p, 4);
		struct span bytes = span_cut(over, 5, 6 + (unsigned char)over.p[4] % 16);
		at %= (uint32_t)n;
		if (at + bytes.n <= n)
			memcpy(image + at, bytes.p, bytes.n);
		over = span_cut(over, 5 + bytes.n, over.n);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf why;

	build_once();
	if (!size)
		return 0;
	struct span input = span_of((const char *)data + 1, size - 1);
	char *image = malloc(sound.n);
	INVARIANT(image);
	if (data[0] & 1) {
		memcpy(image, buf_view(&sound).p, sound.n);
		lay_over(image, sound.n, input);
		input = span_of(image, sound.n);
	}
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	INVARIANT(fd >= 0 && write(fd, input.p, input.n) == (ssize_t)input.n);
	close(fd);
	buf_init(&why, 4096);
	struct sums *s = sums_open(dir, &segment, &why);
	INVARIANT(s || why.n);
	for (size_t i = 0; s && i < sums_blocks(s) + (sums_whole(s) > 0); i++)
		for (enum usage_dim d = 0; d < BY_DIMS; d++) {
			struct usage_table t = { .by = { d }, .nby = 1 };
			struct sums_block b;
			sums_block(s, i, &b);
			INVARIANT(b.offset + b.bytes <= segment.bytes);
			INVARIANT(strlen(b.from) < sizeof(b.from));
			INVARIANT(usage_table_init(&t) == 0);
			sums_add(s, i, &t);
			usage_table_free(&t);
		}
	sums_free(&s);
	buf_free(&why);
	free(image);
	unlink(file);
	return 0;
}
