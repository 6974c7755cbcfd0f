// Makes calls to the file system fail, by standing in front of the C library: in the tests'
// executable, one thread at a time, or as a library that is loaded before all others, in a whole
// process.
//
// In a process, FILE_FAULT=CALL:NUMBER:ERROR says what fails, such as write:3:28, or write:3+:28
// for the third and all behind it; the error `short` is a transfer of half of what was asked for.
// At the end, the names of files that were made and how often each function was called go to the
// file that FILE_FAULT_LOG names.
#ifndef FILE_FAULTS_H
#define FILE_FAULTS_H

#include <stdbool.h>

enum file_call {
    FILE_OPEN,
    FILE_READ,
    FILE_WRITE,
    FILE_FSYNC,
    FILE_RENAME,
    FILE_FCHMOD,
    FILE_FLOCK,
    FILE_CALLS
};

enum {
    /// In place of an error: half of the bytes are transferred.
    FILE_SHORT = -1,
    /// In place of an error: the file that is to be made is there already, and holds `theirs`.
    FILE_PLANT = -2,
};

/// Whether this C library's functions can be stood in front of: on Linux only.
bool file_faults_work(void);

/// From now on, the calling thread's call of that number and kind, counted from 1, fails with this
/// error, and no other; 0: none.
void file_faults_plan(enum file_call call, long number, int error);

/// Calls of that kind by the calling thread since the plan was made.
long file_faults_count(enum file_call call);

/// The paths of the files that the calling thread has made since the plan was made, each with a
/// line feed behind it.
const char *file_faults_created(void);

#endif
