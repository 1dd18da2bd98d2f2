;; The autograd (SPEC, section 5).

;; A node is its address.  It has a value at 0, a gradient at 8, a local gradient at 16, operands at 24 and 28, its kind
;; at 32, the number of the last walk that came by at 36, and the next node of that walk at 40.
(global $node-size i32 (i32.const 48))
(global $leaf i32 (i32.const 0))
(global $map i32 (i32.const 1)) ;; of one node, with the local gradient
(global $add-kind i32 (i32.const 2))
(global $mul-kind i32 (i32.const 3))
(global $sum-kind i32 (i32.const 4)) ;; of a list
(global $dot-kind i32 (i32.const 5)) ;; of two lists; no node occurs twice in a list, save as its own factor,
                                      ;; or lies below another
(global $walks (mut i32) (i32.const 0))

(func $node (param $kind i32) (param $a i32) (param $b i32) (param $value f64) (param $local f64) (result i32)
  (local $node i32)
  (call $align)
  (local.set $node (call $allocate (global.get $node-size)))
  (f64.store (local.get $node) (local.get $value))
  (f64.store offset=8 (local.get $node) (f64.const 0))
  (f64.store offset=16 (local.get $node) (local.get $local))
  (i32.store offset=24 (local.get $node) (local.get $a))
  (i32.store offset=28 (local.get $node) (local.get $b))
  (i32.store offset=32 (local.get $node) (local.get $kind))
  (i32.store offset=36 (local.get $node) (i32.const 0))
  (local.get $node))

(func $leaf-of (param $x f64) (result i32)
  (call $node (global.get $leaf) (i32.const 0) (i32.const 0) (local.get $x) (f64.const 0)))
(func $map-of (param $a i32) (param $value f64) (param $local f64) (result i32)
  (call $node (global.get $map) (local.get $a) (i32.const 0) (local.get $value) (local.get $local)))
(func $plus (param $a i32) (param $b i32) (result i32)
  (call $node (global.get $add-kind) (local.get $a) (local.get $b)
    (f64.add (f64.load (local.get $a)) (f64.load (local.get $b))) (f64.const 0)))
(func $mul (param $a i32) (param $b i32) (result i32)
  (call $node (global.get $mul-kind) (local.get $a) (local.get $b)
    (f64.mul (f64.load (local.get $a)) (f64.load (local.get $b))) (f64.const 0)))
(func $shift (param $a i32) (param $c f64) (result i32)
  (call $map-of (local.get $a) (f64.add (f64.load (local.get $a)) (local.get $c)) (f64.const 1)))
(func $scale (param $a i32) (param $c f64) (result i32)
  (call $map-of (local.get $a) (f64.mul (f64.load (local.get $a)) (local.get $c)) (local.get $c)))
(func $negative (param $a i32) (result i32) (call $scale (local.get $a) (f64.const -1)))
(func $raise (param $a i32) (param $c f64) (result i32)
  (call $map-of (local.get $a) (call $pow (f64.load (local.get $a)) (local.get $c))
    (f64.mul (local.get $c) (call $pow (f64.load (local.get $a)) (f64.sub (local.get $c) (f64.const 1))))))
(func $inverse (param $a i32) (result i32) (call $raise (local.get $a) (f64.const -1)))
(func $logarithm (param $a i32) (result i32)
  (call $map-of (local.get $a) (call $log (f64.load (local.get $a))) (f64.div (f64.const 1) (f64.load (local.get $a)))))
(func $exponential (param $a i32) (result i32) (local $y f64)
  (local.set $y (call $exp (f64.load (local.get $a))))
  (call $map-of (local.get $a) (local.get $y) (local.get $y)))
(func $relu (param $a i32) (result i32) (local $positive i32)
  (local.set $positive (f64.gt (f64.load (local.get $a)) (f64.const 0)))
  (call $map-of (local.get $a)
    (select (f64.load (local.get $a)) (f64.const 0) (local.get $positive))
    (f64.convert_i32_u (local.get $positive))))

(func $sum-of (param $xs i32) (result i32) (local $at i32) (local $end i32) (local $total f64)
  (local.set $at (i32.add (local.get $xs) (i32.const 4)))
  (local.set $end (call $item-at (local.get $xs) (i32.load (local.get $xs))))
  (loop $next
    (local.set $total (f64.add (local.get $total) (f64.load (i32.load (local.get $at)))))
    (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (local.get $end))))
  (call $node (global.get $sum-kind) (i32.const 0) (local.get $xs) (local.get $total) (f64.const 0)))

(func $dot (param $ws i32) (param $xs i32) (result i32) (local $i i32) (local $size i32) (local $total f64)
  (local.set $size (i32.shl (i32.load (local.get $ws)) (i32.const 2)))
  (loop $next
    (local.set $i (i32.add (local.get $i) (i32.const 4)))
    (local.set $total (f64.add (local.get $total)
      (f64.mul (f64.load (i32.load (i32.add (local.get $ws) (local.get $i))))
               (f64.load (i32.load (i32.add (local.get $xs) (local.get $i)))))))
    (br_if $next (i32.lt_u (local.get $i) (local.get $size))))
  (call $node (global.get $dot-kind) (local.get $ws) (local.get $xs) (local.get $total) (f64.const 0)))

;; The stack of a walk is the end of the heap.  Leaves need no visit.
(func $push (param $node i32) (i32.store (call $allocate (i32.const 4)) (local.get $node)))
(func $visit (param $node i32)
  (if (i32.and (i32.ne (i32.load offset=32 (local.get $node)) (global.get $leaf))
               (i32.ne (i32.load offset=36 (local.get $node)) (global.get $walks)))
    (then (call $push (local.get $node)))))

;; Depth-first post-order from the root, linked from its end to its start; its end.
(func $order (param $root i32) (result i32) (local $bottom i32) (local $node i32) (local $last i32) (local $i i32)
  (global.set $walks (i32.add (global.get $walks) (i32.const 1)))
  (local.set $bottom (global.get $heap))
  (call $push (local.get $root))
  (loop $next
    (global.set $heap (i32.sub (global.get $heap) (i32.const 4)))
    (local.set $node (i32.load (global.get $heap)))
    (if (i32.and (local.get $node) (i32.const 1))
      (then ;; all below it are done
        (local.set $node (i32.xor (local.get $node) (i32.const 1)))
        (i32.store offset=40 (local.get $node) (local.get $last))
        (local.set $last (local.get $node)))
      (else (if (i32.ne (i32.load offset=36 (local.get $node)) (global.get $walks)) (then
        (i32.store offset=36 (local.get $node) (global.get $walks))
        (call $push (i32.or (local.get $node) (i32.const 1)))
        ;; the last child first, so that the first is on top
        (block $done (block $lists (block $two (block $one
          (br_table $done $one $two $two $lists $lists (i32.load offset=32 (local.get $node))))
          (call $visit (i32.load offset=24 (local.get $node)))
          (br $done))
          (call $visit (i32.load offset=28 (local.get $node)))
          (call $visit (i32.load offset=24 (local.get $node)))
          (br $done))
          (local.set $i (i32.load (i32.load offset=28 (local.get $node))))
          (loop $items
            (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            (call $visit (call $item (i32.load offset=28 (local.get $node)) (local.get $i)))
            (if (i32.load offset=24 (local.get $node))
              (then (call $visit (call $item (i32.load offset=24 (local.get $node)) (local.get $i)))))
            (br_if $items (local.get $i))))))))
    (br_if $next (i32.ne (global.get $heap) (local.get $bottom))))
  (local.get $last))

(func $receive (param $node i32) (param $x f64)
  (f64.store offset=8 (local.get $node) (f64.add (f64.load offset=8 (local.get $node)) (local.get $x))))

;; Gives every node below the root its gradient, which must be +0.0 before.
(func $backward (param $root i32)
  (local $node i32) (local $g f64) (local $a i32) (local $b i32) (local $i i32) (local $size i32) (local $w i32)
  (local $x i32)
  (f64.store offset=8 (local.get $root) (f64.const 1))
  (local.set $node (call $order (local.get $root)))
  (loop $next
    (local.set $g (f64.load offset=8 (local.get $node)))
    (local.set $a (i32.load offset=24 (local.get $node)))
    (local.set $b (i32.load offset=28 (local.get $node)))
    (local.set $i (i32.const 0))
    (block $done (block $of-dot (block $of-sum (block $of-mul (block $of-add (block $of-map
      (br_table $done $of-map $of-add $of-mul $of-sum $of-dot (i32.load offset=32 (local.get $node))))
      (call $receive (local.get $a) (f64.mul (f64.load offset=16 (local.get $node)) (local.get $g)))
      (br $done))
      (call $receive (local.get $a) (local.get $g))
      (call $receive (local.get $b) (local.get $g))
      (br $done))
      (call $receive (local.get $a) (f64.mul (f64.load (local.get $b)) (local.get $g)))
      (call $receive (local.get $b) (f64.mul (f64.load (local.get $a)) (local.get $g)))
      (br $done))
      (loop $items
        (call $receive (call $item (local.get $b) (local.get $i)) (local.get $g))
        (br_if $items (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.load (local.get $b)))))
      (br $done))
      (local.set $size (i32.shl (i32.load (local.get $a)) (i32.const 2)))
      (loop $items
        (local.set $i (i32.add (local.get $i) (i32.const 4)))
        (local.set $w (i32.load (i32.add (local.get $a) (local.get $i))))
        (local.set $x (i32.load (i32.add (local.get $b) (local.get $i))))
        (f64.store offset=8 (local.get $w)
          (f64.add (f64.load offset=8 (local.get $w)) (f64.mul (f64.load (local.get $x)) (local.get $g))))
        (f64.store offset=8 (local.get $x)
          (f64.add (f64.load offset=8 (local.get $x)) (f64.mul (f64.load (local.get $w)) (local.get $g))))
        (br_if $items (i32.lt_u (local.get $i) (local.get $size)))))
    (br_if $next (local.tee $node (i32.load offset=40 (local.get $node))))))
