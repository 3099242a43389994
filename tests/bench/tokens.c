/* The speed of counting tokens: MB a second of English, code and Chinese, and the cost of
 * hostile texts. `make bench-tokens`; if files are named, these are measured instead.
 *
 *   tokens RANKS [FILE…] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/tokens/bpe.h"

enum { RUNS = 9 };
#define MB 1e6

/* CPU time of this thread only, so that the load of the machine does not count. */
static uint64_t
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The best of some runs. */
static void
measure(const struct ranks *r, const char *name, struct span text, double want_mb_s,
	double most_ms)
{
	struct bpe_count n = { 0 };
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < RUNS; i++) {
		uint64_t begun = cpu_us();
		if (bpe_count(r, text, &n))
			abort();
		uint64_t us = cpu_us() - begun;
		best = us < best ? us : best;
	}
	best = best ? best : 1;
	printf("%-28s %8.2f MB %8.1f ms %8.1f MB/s %9llu tokens%s", name, (double)text.n / MB,
		(double)best / 1e3, (double)text.n / (double)best, (unsigned long long)n.tokens,
		n.bounded ? " at most" : "");
	if (want_mb_s > 0)
		printf("  (wanted: %.0f MB/s)", want_mb_s);
	if (most_ms > 0)
		printf("  (wanted: %.0f ms at most)", most_ms);
	printf("\n");
}

static void
fill(struct buf *b, struct span with, size_t bytes)
{
	buf_clear(b);
	while (with.n && b->n < bytes)
		buf_span(b, with);
}

static uint32_t state = 1;

static uint32_t
next_random(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static const char *const english[] = { "/usr/share/common-licenses/GPL-3",
	"/usr/share/common-licenses/Apache-2.0", "docs/operations.md", "README.md" };
static const char *const code[] = { "spoa/gate/request.c", "spoa/net/relay_upstream.c",
	"spoa/policy/sections/rules.c" };

/* Sentences in the common characters of the language, in the order of a typical text. */
static const char *const chinese[] = {
	"我们今天讨论的是如何在高并发的网络环境中保护用户的数据，",
	"系统会记录每一次请求的决定。", "人工智能模型的使用成本取决于输入和输出的数量，",
	"因此每个部门都需要一个预算。", "如果超过限额，请求将被拒绝；",
	"管理员可以在不重新部署的情况下调整限额。", "数据库连接失败时服务不会停止。",
	"このシステムは要求ごとに判断を記録します。", "開発者は設定ファイルを変更するだけで、",
	"新しい規則を適用することができます。",
	"우리는 오늘 네트워크 환경에서 데이터를 보호하는 방법을 논의합니다. "
};

static void
from_files(struct buf *out, const char *const *files, size_t n)
{
	buf_clear(out);
	for (size_t i = 0; i < n; i++)
		if (!buf_file(out, files[i]))
			fprintf(stderr, "%s: not there\n", files[i]);
}

int
main(int argc, char **argv)
{
	const char *why;
	struct ranks *r;
	struct buf text, big;

	if (argc < 2 || ranks_open(argv[1], &r, &why)) {
		fprintf(stderr, "usage: tokens RANKS [FILE...]%s%s\n", argc < 2 ? "" : ": ",
			argc < 2 ? "" : why);
		return 2;
	}
	buf_init(&text, 0);
	buf_init(&big, 0);
	printf("%s\n", r->head->name);
	for (int i = 2; i < argc; i++) {
		from_files(&text, (const char *const *)&argv[i], 1);
		measure(r, argv[i], buf_view(&text), 0, 0);
	}
	if (argc == 2) {
		from_files(&text, english, COUNT_OF(english));
		fill(&big, buf_view(&text), 2 << 20);
		measure(r, "English", buf_view(&big), 100, 0);
		from_files(&text, code, COUNT_OF(code));
		fill(&big, buf_view(&text), 2 << 20);
		measure(r, "C", buf_view(&big), 0, 0);
		buf_clear(&big);
		while (big.n < 2 << 20)
			buf_str(&big, chinese[next_random() % COUNT_OF(chinese)]);
		measure(r, "Chinese, Japanese, Korean", buf_view(&big), 40, 0);
		fill(&big, SPAN_LIT("a"), 1000000);
		measure(r, "one letter", buf_view(&big), 0, 50);
		buf_clear(&big);
		while (big.n < 1000000)
			buf_putc(&big, (char)('a' + next_random() % 26));
		measure(r, "random letters, no break", buf_view(&big), 0, 50);
		for (size_t i = BPE_PIECE_MAX; i < big.n; i += BPE_PIECE_MAX)
			big.p[big.start + i] = ' ';
		measure(r, "the same, a break each 16 KB", buf_view(&big), 0, 0);
	}
	buf_free(&text);
	buf_free(&big);
	ranks_close(&r);
	return 0;
}
