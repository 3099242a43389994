/* main() of the program `tollgate`. A child process of the admin server first confines
 * itself. The subcommands are dispatched in cmd/table.c. */
#include "cmd/cmd.h"
#include "operator/admin/child_self.h"

int
main(int argc, char **argv)
{
	if (!child_confine(argv[0]))
		return EXIT_CANNOT;
	return cmd_main(argc, argv);
}
