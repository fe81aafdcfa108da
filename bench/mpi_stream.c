// SPDX-License-Identifier: Apache-2.0
// mpi_stream BYTES SECONDS, on two ranks: rank 0 sends batches of BYTES to rank 1 for SECONDS, a few at a time as Weft's
// transport does. Rank 1 prints how many bytes arrived each second.
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { window = 8, batch_tag = 1, end_tag = 2 };

static void stream_out(char *buffers, int size, double seconds) {
    MPI_Request requests[window];
    for (int slot = 0; slot < window; slot++) requests[slot] = MPI_REQUEST_NULL;
    double end = MPI_Wtime() + seconds;
    for (long batch = 0; MPI_Wtime() < end; batch++) {
        int slot = batch % window;
        MPI_Wait(&requests[slot], MPI_STATUS_IGNORE);
        MPI_Isend(buffers + (size_t)slot * size, size, MPI_BYTE, 1, batch_tag, MPI_COMM_WORLD, &requests[slot]);
    }
    MPI_Waitall(window, requests, MPI_STATUSES_IGNORE);
    MPI_Send(NULL, 0, MPI_BYTE, 1, end_tag, MPI_COMM_WORLD);
}

static double stream_in(char *buffers, int size) {
    MPI_Request requests[window];
    MPI_Status status;
    double bytes = 0, began = 0;
    for (int slot = 0; slot < window; slot++)
        MPI_Irecv(buffers + (size_t)slot * size, size, MPI_BYTE, 0, MPI_ANY_TAG, MPI_COMM_WORLD, &requests[slot]);
    for (long batch = 0;; batch++) {
        int slot = batch % window;
        MPI_Wait(&requests[slot], &status);
        if (status.MPI_TAG == end_tag) break;
        if (batch == 0) began = MPI_Wtime();
        else bytes += size;
        MPI_Irecv(buffers + (size_t)slot * size, size, MPI_BYTE, 0, MPI_ANY_TAG, MPI_COMM_WORLD, &requests[slot]);
    }
    double rate = bytes / (MPI_Wtime() - began);
    for (int slot = 0; slot < window; slot++) {
        if (requests[slot] == MPI_REQUEST_NULL) continue;
        MPI_Cancel(&requests[slot]);
        MPI_Wait(&requests[slot], MPI_STATUS_IGNORE);
    }
    return rate;
}

int main(int argc, char **argv) {
    int rank, ranks;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    int size = argc == 3 ? atoi(argv[1]) : 0;
    if (size <= 0 || ranks != 2) {
        fprintf(stderr, "usage: mpirun -n 2 mpi_stream BYTES SECONDS\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    char *buffers = malloc((size_t)size * window);
    if (buffers == NULL) MPI_Abort(MPI_COMM_WORLD, 1);
    memset(buffers, rank, (size_t)size * window);
    if (rank == 0) stream_out(buffers, size, atof(argv[2]));
    else printf("%.0f\n", stream_in(buffers, size));
    free(buffers);
    MPI_Finalize();
    return 0;
}
