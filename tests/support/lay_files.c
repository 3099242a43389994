/* Files of HAProxy for the tests of `tollgate init`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/lay_files.h"

void
put_tree(const char *haproxy, const char *extraopts)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "rm -rf %s/etc && mkdir -p %s/etc/haproxy %s/etc/default",
		dir, dir, dir);
	assert_int_equal(system(cmd), 0);
	put("etc/haproxy/haproxy.cfg", haproxy);
	if (extraopts)
		put("etc/default/haproxy", extraopts);
}
