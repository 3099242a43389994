/* names_pack DIR FILE: packs the word lists of DIR into the table that tollgate reads, so
 * that 300,000 terms are not hashed at each start. It runs when tollgate is built. */
#include <stdio.h>

#include "base/scoped.h"
#include "scan/detect/names/names.h"

int
main(int argc, char **argv)
{
	struct names_table *t = NULL;
	FILE *f = NULL;
	bool good = false;

	if (argc != 3) {
		fprintf(stderr, "usage: names_pack DIR FILE\n");
		return 2;
	}
	SCOPED_ARENA(a, 0, false);
	SCOPED_DIAG(d);
	SCOPED_BUF(out, 0);
	t = names_load(argv[1], &a, &d);
	if (t && !d.errors) {
		names_pack(t, &out);
		f = fopen(argv[2], "wb");
		good = f && !buf_failed(&out) &&
		       fwrite(buf_view(&out).p, 1, buf_view(&out).n, f) == buf_view(&out).n;
	}
	if (f && fclose(f) != 0)
		good = false;
	if (!good)
		fprintf(stderr, "%s: the lists cannot be packed\n%.*s", argv[1],
			SPAN_ARG(buf_view(&d.text)));
	names_free(&t);
	return good ? 0 : 1;
}
