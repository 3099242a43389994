/* Runs a fuzz target over the files of its seed folder, as an ordinary test. `make test` does
 * this for every target; `make fuzz` links libFuzzer instead. Every seed is also cut at 64
 * places and fed with single bits flipped. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
run(const uint8_t *p, size_t n)
{
	/* An allocation of exactly n bytes, so that a sanitizer sees reads beyond its end. */
	uint8_t *copy = malloc(n ? n : 1);
	if (!copy)
		abort();
	memcpy(copy, p, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

int
main(int argc, char **argv)
{
	size_t files = 0, inputs = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s SEEDS\n", argv[0]);
		return 2;
	}
	DIR *d = opendir(argv[1]);
	if (!d) {
		perror(argv[1]);
		return 2;
	}
	for (struct dirent *e; (e = readdir(d));) {
		char name[4096];
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", argv[1], e->d_name);
		FILE *f = fopen(name, "rb");
		if (!f) {
			perror(name);
			return 2;
		}
		static uint8_t data[1 << 20];
		size_t n = fread(data, 1, sizeof(data), f);
		fclose(f);
		files++;
		run(data, n);
		inputs++;
		size_t step = n / 64 + 1;
		for (size_t cut = 0; cut < n; cut += step, inputs++)
			run(data, cut);
		for (size_t at = 0; at < n; at += step, inputs++) {
			uint8_t keep = data[at];
			data[at] ^= (uint8_t)(1u << (at % 8));
			run(data, n);
			data[at] = keep;
		}
	}
	closedir(d);
	printf("%zu seeds, %zu inputs\n", files, inputs);
	if (files == 0)
		fprintf(stderr, "%s: no seeds\n", argv[1]);
	return files == 0;
}
