// SPDX-License-Identifier: Apache-2.0
// An MPI program: adds the ranks' numbers up. Its first argument says what becomes of it.
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **arguments) {
    MPI_Init(&count, &arguments);
    int rank, ranks, sum;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    const char *mode = count > 1 ? arguments[1] : "";
    printf("rank %d of %d\n", rank, ranks);
    for (int index = 1; index < count; index++) printf("argument %d is '%s'\n", index, arguments[index]);
    if (!strcmp(mode, "exit") && rank == 2) {
        fprintf(stderr, "rank 2 gives up\n");
        exit(3);
    }
    if (!strcmp(mode, "abort") && rank == 1) MPI_Abort(MPI_COMM_WORLD, 5);
    if (!strcmp(mode, "crash") && rank == 1) *(volatile int *)0 = 1;
    while (!strcmp(mode, "endless")) sleep(1);
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    printf("the sum is %d\n", sum);
    char name[32];
    snprintf(name, sizeof name, "rank-%d.txt", rank);
    FILE *file = fopen(name, "w");
    if (!file) MPI_Abort(MPI_COMM_WORLD, 1);
    fprintf(file, "%d\n", sum);
    fclose(file);
    MPI_Finalize();
    return 0;
}
