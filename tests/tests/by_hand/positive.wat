;; A function without an SDK, written from docs/reference/abi.md alone: `positive` puts out the rows
;; whose `n` is not negative, and rejects the others.
;;
;; Memory: 64 the results of calls, 1024 the manifest, from 64 KiB what the host hands over,
;; from 3 MiB the chunk of effects.
(component
  (type $types-ty (instance
    (type $f (enum "bad-record" "transient" "fatal" "incompatible"))
    (export "fault" (type $fault (eq $f)))
    (type $e (record (field "fault" $fault) (field "code" u32) (field "message" string) (field "row" (option u32))))
    (export "error" (type (eq $e)))
    (type $fr (record (field "lo" u32) (field "hi" u32) (field "features" u64)))
    (export "frame-range" (type (eq $fr)))))
  (import "wasmill:function/types@0.1.0" (instance $types (type $types-ty)))
  (alias export $types "error" (type $error))
  (alias export $types "frame-range" (type $frame-range))
  (import "wasmill:function/effects@0.1.0" (instance $effects
    (export "push" (func (param "chunk" (list u8))))))
  (core module $libc
    (memory (export "memory") 96)
    (global $next (mut i32) (i32.const 65536))
    (func (export "reset") (global.set $next (i32.const 65536)))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (if (i32.gt_u (global.get $next) (i32.const 3145728)) (then unreachable))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "cabi_realloc" (core func $realloc))
  (alias export $effects "push" (func $push-import))
  (core func $push (canon lower (func $push-import) (memory $memory)))
  (core module $main
    (import "libc" "memory" (memory 1))
    (import "libc" "reset" (func $reset))
    (import "host" "push" (func $push (param i32 i32)))
    (data (i32.const 1024)
      "WMM1" "\00\00" "\02\00"                                  ;; ABI 0.2
      "\04\00\00\00tiny" "\05\00\00\000.1.0" "\07\00\00\00by hand"
      "\01\00\00\00"                                            ;; one function
      "\08\00\00\00positive" "\00\00\00\00" "\01"               ;; no doc, a map
      "\01\00\00\00" "\01\00\00\00n\05\00"                      ;; reads n: int64
      "\00" "\00"                                               ;; one input, late rows are handled
      "\01\00\00\00" "\03\00\00\00out" "\01\00\00\00" "\01\00\00\00n\05\00" "\00"
      "\00\00\00\00" "\00\00\00\00" "\00")                      ;; no setting, no metric, no changelogs
    (func $pad8 (param i32) (result i32)
      (i32.and (i32.add (local.get 0) (i32.const 7)) (i32.const -8)))
    ;; ok, without a value
    (func $ok (result i32) (i32.store8 (i32.const 64) (i32.const 0)) (i32.const 64))
    ;; ok(manifest): its address and its length
    (func (export "describe") (param i32 i32 i64) (result i32)
      (i32.store (i32.const 68) (i32.const 1024))
      (i32.store (i32.const 72) (i32.const 102))
      (call $ok))
    (func (export "open") (param i32 i32) (result i32) (call $reset) (call $ok))
    ;; The section of the columns: the entry of the table with tag 1.
    (func $columns (param $frame i32) (result i32) (local $entry i32)
      (local.set $entry (i32.add (local.get $frame) (i32.const 64)))
      (loop $next
        (if (i32.ne (i32.load16_u (local.get $entry)) (i32.const 1)) (then
          (local.set $entry (i32.add (local.get $entry) (i32.const 16)))
          (br $next))))
      (i32.add (local.get $frame) (i32.load offset=4 (local.get $entry))))
    (func (export "process") (param $frame i32) (param $length i32) (result i32)
      (local $rows i32) (local $values i32) (local $i i32) (local $kept i32) (local $at i32)
      (local $record i32) (local $origins i32) (local $block i32) (local $reject i32) (local $n i64)
      (call $reset)
      (local.set $rows (i32.load offset=12 (local.get $frame)))
      ;; Behind the block's head (2 lengths) and the validity, if there were one, stand the values.
      (local.set $values (call $columns (local.get $frame)))
      (local.set $values (i32.add (i32.add (local.get $values) (i32.const 16))
                                  (call $pad8 (i32.load offset=8 (local.get $values)))))
      (loop $count (if (i32.lt_u (local.get $i) (local.get $rows)) (then
        (local.set $n (i64.load (i32.add (local.get $values) (i32.shl (local.get $i) (i32.const 3)))))
        (local.set $kept (i32.add (local.get $kept) (i64.ge_s (local.get $n) (i64.const 0))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $count))))
      ;; One record of rows: origins, then a block of two buffers.
      (local.set $record (i32.const 3145744))
      (local.set $origins (i32.add (local.get $record) (i32.const 16)))
      (local.set $block (i32.add (local.get $origins) (call $pad8 (i32.shl (local.get $kept) (i32.const 2)))))
      (i32.store (i32.add (local.get $origins) (i32.shl (local.get $kept) (i32.const 2))) (i32.const 0))
      (local.set $reject (i32.add (i32.add (local.get $block) (i32.const 16))
                                  (i32.shl (local.get $kept) (i32.const 3))))
      (i32.store (local.get $record) (i32.const 1))
      (i32.store offset=4 (local.get $record) (i32.sub (local.get $reject) (local.get $origins)))
      (i32.store offset=8 (local.get $record) (local.get $kept))
      (i32.store offset=12 (local.get $record) (i32.const 0))
      (i32.store (local.get $block) (local.get $kept))
      (i32.store offset=4 (local.get $block) (i32.const 2))
      (i32.store offset=8 (local.get $block) (i32.const 0))
      (i32.store offset=12 (local.get $block) (i32.shl (local.get $kept) (i32.const 3)))
      (local.set $i (i32.const 0))
      (loop $copy (if (i32.lt_u (local.get $i) (local.get $rows)) (then
        (local.set $n (i64.load (i32.add (local.get $values) (i32.shl (local.get $i) (i32.const 3)))))
        (if (i64.ge_s (local.get $n) (i64.const 0))
          (then
            (i32.store (i32.add (local.get $origins) (i32.shl (local.get $at) (i32.const 2))) (local.get $i))
            (i64.store offset=16 (i32.add (local.get $block) (i32.shl (local.get $at) (i32.const 3))) (local.get $n))
            (local.set $at (i32.add (local.get $at) (i32.const 1))))
          (else
            (i32.store (local.get $reject) (i32.const 4))
            (i32.store offset=4 (local.get $reject) (i32.const 8))
            (i32.store offset=8 (local.get $reject) (local.get $i))
            (i32.store offset=12 (local.get $reject) (i32.const 0))
            (i64.store offset=16 (local.get $reject) (i64.const 0x657669746167656e)) ;; "negative"
            (local.set $reject (i32.add (local.get $reject) (i32.const 24)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $copy))))
      (i32.store (i32.const 3145728) (i32.const 0x31454d57)) ;; "WME1"
      (i32.store (i32.const 3145732) (i32.const 1))
      (i32.store (i32.const 3145736)
        (i32.add (i32.const 1) (i32.sub (local.get $rows) (local.get $kept))))
      (i32.store (i32.const 3145740) (i32.sub (local.get $reject) (i32.const 3145728)))
      (call $push (i32.const 3145728) (i32.sub (local.get $reject) (i32.const 3145728)))
      (call $ok)))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance (export "push" (func $push))))))
  (alias core export $main "describe" (core func $describe-core))
  (alias core export $main "open" (core func $open-core))
  (alias core export $main "process" (core func $process-core))
  (func $describe (param "host" $frame-range) (result (result (list u8) (error $error)))
    (canon lift (core func $describe-core) (memory $memory) (realloc (core func $realloc))))
  (func $open (param "ctx" (list u8)) (result (result (error $error)))
    (canon lift (core func $open-core) (memory $memory) (realloc (core func $realloc))))
  (func $process (param "batch" (list u8)) (result (result (error $error)))
    (canon lift (core func $process-core) (memory $memory) (realloc (core func $realloc))))
  (instance $guest
    (export "describe" (func $describe))
    (export "open" (func $open))
    (export "process" (func $process)))
  (export "wasmill:function/guest@0.1.0" (instance $guest)))
