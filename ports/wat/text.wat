;; Memory, the lines of requests and replies, and numbers as text (SPEC, section 11).

(import "host" "read" (func $read (param $at i32) (param $length i32) (result i32)))
(import "host" "write" (func $write (param $descriptor i32) (param $at i32) (param $length i32)))
(import "host" "arguments" (func $arguments (param $at i32) (result i32))) ;; with spaces between; their length
(tag $refusal (param i32)) ;; thrown with the reason, a text

;; From 0 on, texts that end with a zero byte; from 0x1000, what numbers.wat computes with; from 0x3000, the input.
;; Then comes the heap, which only grows while a request is answered, and above it the reply, which moves out of its
;; way.
(memory (export "memory") 16)
(global $input i32 (i32.const 0x3000))
(global $heap (mut i32) (i32.const 0x3000))
(global $reply (mut i32) (i32.const 0x3000))
(global $reply-end (mut i32) (i32.const 0x3000))

;; Makes sure that the memory reaches up to an address.
(func $reach (param $end i32) (local $missing i32)
  (local.set $missing (i32.sub (i32.shr_u (i32.add (local.get $end) (i32.const 0xffff)) (i32.const 16)) (memory.size)))
  (if (i32.gt_s (local.get $missing) (i32.const 0)) (then
    (if (i32.lt_s (memory.grow (local.get $missing)) (i32.const 0)) (then (unreachable))))))

;; The next bytes of the heap.
(func $allocate (param $bytes i32) (result i32) (local $start i32) (local $away i32)
  (local.set $start (global.get $heap))
  (global.set $heap (i32.add (local.get $start) (local.get $bytes)))
  (if (i32.gt_u (global.get $heap) (global.get $reply)) (then
    (local.set $away (i32.add (i32.add (global.get $heap) (i32.const 0x10000))
                              (i32.shr_u (i32.sub (global.get $heap) (global.get $input)) (i32.const 1))))
    (call $reach (i32.add (local.get $away) (i32.sub (global.get $reply-end) (global.get $reply))))
    (memory.copy (local.get $away) (global.get $reply) (i32.sub (global.get $reply-end) (global.get $reply)))
    (global.set $reply-end (i32.add (local.get $away) (i32.sub (global.get $reply-end) (global.get $reply))))
    (global.set $reply (local.get $away))))
  (local.get $start))

(func $align (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8))))
(func $doubles (param $n i32) (result i32)
  (call $align)
  (call $allocate (i32.shl (local.get $n) (i32.const 3))))
(func $double-at (param $doubles i32) (param $i i32) (result i32)
  (i32.add (local.get $doubles) (i32.shl (local.get $i) (i32.const 3))))

;; A list is its length and its items, of 32 bits each.
(func $list (param $n i32) (result i32) (local $list i32)
  (local.set $list (call $allocate (i32.shl (i32.add (local.get $n) (i32.const 1)) (i32.const 2))))
  (i32.store (local.get $list) (local.get $n))
  (local.get $list))
(func $item-at (param $list i32) (param $i i32) (result i32)
  (i32.add (i32.add (local.get $list) (i32.const 4)) (i32.shl (local.get $i) (i32.const 2))))
(func $item (param $list i32) (param $i i32) (result i32)
  (i32.load (call $item-at (local.get $list) (local.get $i))))
(func $set-item (param $list i32) (param $i i32) (param $item i32)
  (i32.store (call $item-at (local.get $list) (local.get $i)) (local.get $item)))
;; Adds an item to a list that ends where the heap ends.
(func $append (param $list i32) (param $item i32)
  (i32.store (call $allocate (i32.const 4)) (local.get $item))
  (i32.store (local.get $list) (i32.add (i32.load (local.get $list)) (i32.const 1))))

;; Reading: $at is a place in the request, $line-end the end of its line, $stop that of the request.
(global $at (mut i32) (i32.const 0))
(global $line-end (mut i32) (i32.const 0))
(global $stop (mut i32) (i32.const 0))

;; The address of the next LF, or the limit.
(func $line-feed (param $at i32) (param $limit i32) (result i32)
  (block $found (loop $next
    (br_if $found (i32.ge_u (local.get $at) (local.get $limit)))
    (br_if $found (i32.eq (i32.load8_u (local.get $at)) (i32.const 10)))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br $next)))
  (local.get $at))

;; Enters the next line.
(func $line
  (if (i32.ge_u (global.get $at) (global.get $stop)) (then (throw $refusal (global.get $'early'))))
  (global.set $line-end (call $line-feed (global.get $at) (global.get $stop)))
  (if (i32.gt_u (i32.sub (global.get $line-end) (global.get $at)) (i32.const 65536))
    (then (throw $refusal (global.get $'long')))))
;; Leaves a line, which must be read to its end.
(func $end
  (if (i32.ne (global.get $at) (global.get $line-end)) (then (throw $refusal (global.get $'many'))))
  (global.set $at (i32.add (global.get $line-end) (i32.const 1))))
(func $finish
  (if (i32.lt_u (global.get $at) (global.get $stop)) (then (throw $refusal (global.get $'late')))))
(func $more? (result i32) (i32.lt_u (global.get $at) (global.get $line-end)))
(func $lines? (result i32) (i32.lt_u (global.get $at) (global.get $stop)))

;; Moves behind the next word of the line; its start.
(func $next-word (result i32) (local $start i32)
  (if (i32.eqz (call $more?)) (then (throw $refusal (global.get $'few'))))
  (global.set $at (i32.add (global.get $at) (i32.const 1)))
  (local.set $start (global.get $at))
  (call $skip-word)
  (local.get $start))
(func $skip-word
  (block $end (loop $next
    (br_if $end (i32.eqz (call $more?)))
    (br_if $end (i32.eq (i32.load8_u (global.get $at)) (i32.const 32)))
    (global.set $at (i32.add (global.get $at) (i32.const 1)))
    (br $next))))

;; Whether the bytes from start to the end are this text.
(func $same? (param $start i32) (param $end i32) (param $text i32) (result i32)
  (loop $next
    (if (i32.lt_u (local.get $start) (local.get $end)) (then
      (if (i32.ne (i32.load8_u (local.get $start)) (i32.load8_u (local.get $text))) (then (return (i32.const 0))))
      (local.set $start (i32.add (local.get $start) (i32.const 1)))
      (local.set $text (i32.add (local.get $text) (i32.const 1)))
      (br $next))))
  (i32.eqz (i32.load8_u (local.get $text))))

;; The number of the word from start to $at among n texts of 16 bytes each, or n.
(func $find (param $start i32) (param $texts i32) (param $n i32) (result i32) (local $i i32)
  (block $found (loop $next
    (br_if $found (i32.ge_u (local.get $i) (local.get $n)))
    (br_if $found (call $same? (local.get $start) (global.get $at)
      (i32.add (local.get $texts) (i32.shl (local.get $i) (i32.const 4)))))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br $next)))
  (local.get $i))
;; The number of the line's key among n texts.
(func $key (param $texts i32) (param $n i32) (result i32) (local $start i32) (local $i i32)
  (call $line)
  (local.set $start (global.get $at))
  (call $skip-word)
  (local.set $i (call $find (local.get $start) (local.get $texts) (local.get $n)))
  (if (i32.eq (local.get $i) (local.get $n)) (then (throw $refusal (global.get $'unknown'))))
  (local.get $i))
;; The number of the next word among n texts.
(func $choose (param $texts i32) (param $n i32) (result i32) (local $i i32)
  (local.set $i (call $find (call $next-word) (local.get $texts) (local.get $n)))
  (if (i32.eq (local.get $i) (local.get $n)) (then (throw $refusal (global.get $'unknown'))))
  (local.get $i))
;; Enters the next line, which must have this key.
(func $take (param $key i32) (drop (call $key (local.get $key) (i32.const 1))))
;; Whether the next line has this key; if so, it is entered.
(func $take? (param $key i32) (result i32) (local $start i32)
  (if (i32.eqz (call $lines?)) (then (return (i32.const 0))))
  (call $line)
  (local.set $start (global.get $at))
  (call $skip-word)
  (if (call $same? (local.get $start) (global.get $at) (local.get $key)) (then (return (i32.const 1))))
  (global.set $at (local.get $start))
  (i32.const 0))

(func $integer (param $low i64) (param $high i64) (result i32) (local $start i32) (local $n i64) (local $digit i32)
  (local.set $start (call $next-word))
  (if (i32.or (i32.gt_u (i32.sub (i32.sub (global.get $at) (local.get $start)) (i32.const 1)) (i32.const 9))
              (i32.and (i32.eq (i32.load8_u (local.get $start)) (i32.const 48))
                       (i32.ne (i32.sub (global.get $at) (local.get $start)) (i32.const 1))))
    (then (throw $refusal (global.get $'integer'))))
  (loop $digits
    (if (i32.gt_u (local.tee $digit (i32.sub (i32.load8_u (local.get $start)) (i32.const 48))) (i32.const 9))
      (then (throw $refusal (global.get $'integer'))))
    (local.set $n (i64.add (i64.mul (local.get $n) (i64.const 10)) (i64.extend_i32_u (local.get $digit))))
    (br_if $digits (i32.lt_u (local.tee $start (i32.add (local.get $start) (i32.const 1))) (global.get $at))))
  (if (i32.or (i64.lt_s (local.get $n) (local.get $low)) (i64.gt_s (local.get $n) (local.get $high)))
    (then (throw $refusal (global.get $'range'))))
  (i32.wrap_i64 (local.get $n)))

;; The only integer of a line with this key.
(func $number (param $key i32) (param $low i32) (param $high i32) (result i32)
  (call $take (local.get $key))
  (call $integer (i64.extend_i32_u (local.get $low)) (i64.extend_i32_u (local.get $high)))
  (call $end))

(func $double (result f64) (local $start i32) (local $bits i64) (local $c i32) (local $digit i32) (local $x f64)
  (local.set $start (call $next-word))
  (if (i32.ne (i32.sub (global.get $at) (local.get $start)) (i32.const 16))
    (then (throw $refusal (global.get $'double'))))
  (loop $digits
    (local.set $c (i32.load8_u (local.get $start)))
    (local.set $digit (i32.sub (local.get $c) (i32.const 48)))
    (if (i32.gt_u (local.get $digit) (i32.const 9)) (then
      (if (i32.gt_u (i32.sub (local.get $c) (i32.const 97)) (i32.const 5))
        (then (throw $refusal (global.get $'double'))))
      (local.set $digit (i32.sub (local.get $c) (i32.const 87)))))
    (local.set $bits (i64.or (i64.shl (local.get $bits) (i64.const 4)) (i64.extend_i32_u (local.get $digit))))
    (br_if $digits (i32.lt_u (local.tee $start (i32.add (local.get $start) (i32.const 1))) (global.get $at))))
  (f64.reinterpret_i64 (call $pattern (f64.reinterpret_i64 (local.get $bits)))))

;; The bits of x, in which there is one NaN only.
(func $pattern (param $x f64) (result i64)
  (select (i64.reinterpret_f64 (local.get $x)) (i64.const 0x7ff8000000000000) (f64.eq (local.get $x) (local.get $x))))

;; The only double of a line with this key.
(func $setting (param $key i32) (result f64)
  (call $take (local.get $key))
  (call $double)
  (call $end))

;; A name in the making: a text at $name.
(global $name i32 (i32.const 0x2a00))
(global $name-end (mut i32) (i32.const 0x2a00))
(func $name-byte (param $c i32)
  (i32.store16 (global.get $name-end) (local.get $c))
  (global.set $name-end (i32.add (global.get $name-end) (i32.const 1))))
(func $name-text (param $text i32)
  (block $end (loop $next
    (br_if $end (i32.eqz (i32.load8_u (local.get $text))))
    (call $name-byte (i32.load8_u (local.get $text)))
    (local.set $text (i32.add (local.get $text) (i32.const 1)))
    (br $next))))
(func $name-number (param $text i32) (param $n i32)
  (call $name-text (local.get $text))
  (call $name-integer (local.get $n))
  (call $name-byte (i32.const 46)))
(func $name-integer (param $n i32)
  (if (i32.ge_u (local.get $n) (i32.const 10)) (then (call $name-integer (i32.div_u (local.get $n) (i32.const 10)))))
  (call $name-byte (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10)))))

;; Writing.
(func $put-byte (param $c i32)
  (call $reach (i32.add (global.get $reply-end) (i32.const 1)))
  (i32.store8 (global.get $reply-end) (local.get $c))
  (global.set $reply-end (i32.add (global.get $reply-end) (i32.const 1))))
(func $put-space (call $put-byte (i32.const 32)))
(func $put-line (call $put-byte (i32.const 10)))
(func $put-text (param $text i32)
  (block $end (loop $next
    (br_if $end (i32.eqz (i32.load8_u (local.get $text))))
    (call $put-byte (i32.load8_u (local.get $text)))
    (local.set $text (i32.add (local.get $text) (i32.const 1)))
    (br $next))))
;; An integer for people, padded on the left to a width.
(func $put-padded (param $n i64) (param $width i32) (param $pad i32)
  (if (i64.ge_u (local.get $n) (i64.const 10))
    (then (call $put-padded (i64.div_u (local.get $n) (i64.const 10))
                            (i32.sub (local.get $width) (i32.const 1)) (local.get $pad)))
    (else (loop $pads
      (if (i32.gt_s (local.get $width) (i32.const 1)) (then
        (call $put-character (local.get $pad))
        (local.set $width (i32.sub (local.get $width) (i32.const 1)))
        (br $pads))))))
  (call $put-character (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $n) (i64.const 10))))))
(func $put-integer (param $n i32)
  (if (i32.ge_u (local.get $n) (i32.const 10)) (then (call $put-integer (i32.div_u (local.get $n) (i32.const 10)))))
  (call $put-byte (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10)))))
(func $put-hex (param $bits i64) (param $digits i32) (local $digit i32)
  (loop $next
    (local.set $digits (i32.sub (local.get $digits) (i32.const 1)))
    (local.set $digit (i32.and (i32.const 15)
      (i32.wrap_i64 (i64.shr_u (local.get $bits) (i64.extend_i32_u (i32.shl (local.get $digits) (i32.const 2)))))))
    (call $put-byte (i32.add (local.get $digit)
      (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $digit) (i32.const 10)))))
    (br_if $next (local.get $digits))))
(func $put-double (param $x f64)
  (call $put-space)
  (call $put-hex (call $pattern (local.get $x)) (i32.const 16)))
;; A line with a key and one value.
(func $put-number (param $key i32) (param $n i32)
  (call $put-text (local.get $key))
  (call $put-space)
  (call $put-integer (local.get $n))
  (call $put-line))
(func $put-value (param $key i32) (param $x f64)
  (call $put-text (local.get $key))
  (call $put-double (local.get $x))
  (call $put-line))

;; What people read: as code points, each after a space, or as UTF-8.
(global $points? (mut i32) (i32.const 0))
(func $put-character (param $c i32)
  (if (global.get $points?) (then
    (call $put-space)
    (call $put-integer (local.get $c))
    (return)))
  (if (i32.lt_u (local.get $c) (i32.const 0x80)) (then (call $put-byte (local.get $c)) (return)))
  (if (i32.lt_u (local.get $c) (i32.const 0x800))
    (then (call $put-byte (i32.or (i32.const 0xc0) (i32.shr_u (local.get $c) (i32.const 6)))))
    (else
      (if (i32.lt_u (local.get $c) (i32.const 0x10000))
        (then (call $put-byte (i32.or (i32.const 0xe0) (i32.shr_u (local.get $c) (i32.const 12)))))
        (else
          (call $put-byte (i32.or (i32.const 0xf0) (i32.shr_u (local.get $c) (i32.const 18))))
          (call $put-tail (i32.shr_u (local.get $c) (i32.const 12)))))
      (call $put-tail (i32.shr_u (local.get $c) (i32.const 6)))))
  (call $put-tail (local.get $c)))
(func $put-tail (param $c i32)
  (call $put-byte (i32.or (i32.const 0x80) (i32.and (local.get $c) (i32.const 0x3f)))))
(func $put-characters (param $text i32)
  (block $end (loop $next
    (br_if $end (i32.eqz (i32.load8_u (local.get $text))))
    (call $put-character (i32.load8_u (local.get $text)))
    (local.set $text (i32.add (local.get $text) (i32.const 1)))
    (br $next))))

;; x with four decimals, rounded once.  The fraction times 10,000 is the sum of two doubles, exactly.
(func $put-decimals (param $x f64) (local $whole f64) (local $part f64) (local $high f64) (local $digits f64)
  (local $rest f64)
  (if (f64.ne (local.get $x) (local.get $x)) (then (call $put-characters (global.get $'nan')) (return)))
  (if (i64.lt_s (i64.reinterpret_f64 (local.get $x)) (i64.const 0)) (then (call $put-character (i32.const 45))))
  (local.set $x (f64.abs (local.get $x)))
  (if (f64.eq (local.get $x) (f64.const inf)) (then (call $put-characters (global.get $'inf')) (return)))
  (local.set $whole (f64.floor (local.get $x)))
  (local.set $part (f64.sub (local.get $x) (local.get $whole)))
  (local.set $high (f64.reinterpret_i64 (i64.and (i64.reinterpret_f64 (local.get $part)) (i64.const -0x8000000))))
  (local.set $digits (f64.mul (local.get $part) (f64.const 10000)))
  (local.set $rest (f64.add (f64.sub (f64.mul (local.get $high) (f64.const 10000)) (local.get $digits))
                            (f64.mul (f64.sub (local.get $part) (local.get $high)) (f64.const 10000))))
  (local.set $digits
    (if (result f64) (i32.and (f64.ne (local.get $rest) (f64.const 0))
          (f64.eq (f64.sub (local.get $digits) (f64.floor (local.get $digits))) (f64.const 0.5)))
      (then (f64.floor (f64.add (local.get $digits) (f64.copysign (f64.const 0.5) (local.get $rest)))))
      (else (f64.nearest (local.get $digits)))))
  (if (f64.eq (local.get $digits) (f64.const 10000)) (then
    (local.set $whole (f64.add (local.get $whole) (f64.const 1)))
    (local.set $digits (f64.const 0))))
  (call $put-padded (i64.trunc_sat_f64_u (local.get $whole)) (i32.const 1) (i32.const 48))
  (call $put-character (i32.const 46))
  (call $put-padded (i64.trunc_f64_u (local.get $digits)) (i32.const 4) (i32.const 48)))
