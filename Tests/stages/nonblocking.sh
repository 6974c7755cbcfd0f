# Kernels that allocate, lock or call what may do so must not compile.
for planted in \
    'static void *volatile leak; leak = __builtin_malloc(64);' \
    '__builtin_printf("");'; do
    rm -rf "$work/CKernels"
    cp -r CKernels "$work/CKernels"
    sed -i "/^static void lstm_step(/,/{\$/ s/{\$/{ $planted/" \
        "$work/CKernels/cells/lstm_stream.h"
    if cmp "$work/CKernels/cells/lstm_stream.h" CKernels/cells/lstm_stream.h; then exit 1; fi
    if compile_kernels "$work/CKernels" 2>"$work/errors"; then
        echo "a kernel compiles with $planted"
        exit 1
    fi
    cat "$work/errors"
    grep -q Wfunction-effects "$work/errors"
done
