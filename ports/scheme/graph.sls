;;; The autograd: nodes are records that point to what they were made from.

(library (graph)
  (export leaf node-value node-value-set! node-gradient node-gradient-set!
          add mul shift scale divided neg node-pow node-log node-exp relu total dot quotients backward)
  (import (chezscheme) (exact))

  ;; What a node was made from is in left and right: for a leaf #f; one node and its local gradient; a vector
  ;; of nodes to be added up; or two vectors, multiplied pair by pair and added up.
  (define-record-type node
    (fields (mutable value) (mutable gradient) (mutable next-child) left right)
    (protocol
      (lambda (new)
        (lambda (value left right) (new value 0.0 0 left right)))))

  (define (leaf x) (make-node x #f #f))
  (define (unary value a local) (make-node value a local))

  (define (add a b) (make-node (fl+ (node-value a) (node-value b)) (vector a b) #f))
  (define (mul a b) (make-node (fl* (node-value a) (node-value b)) (vector a) (vector b)))

  ;; a + c and a * c for a plain number c.
  (define (shift a c) (unary (fl+ (node-value a) c) a 1.0))
  (define (scale a c) (unary (fl* (node-value a) c) a c))

  (define (divided a c) (scale a (exact-pow c -1.0)))
  (define (neg a) (scale a -1.0))

  (define (node-pow a c)
    (let ([x (node-value a)])
      (unary (exact-pow x c) a (fl* c (exact-pow x (fl- c 1.0))))))

  (define (node-log a) (unary (exact-log (node-value a)) a (fl/ 1.0 (node-value a))))

  (define (node-exp a)
    (let ([y (exact-exp (node-value a))])
      (unary y a y)))

  (define (relu a)
    (if (fl> (node-value a) 0.0)
        (unary (node-value a) a 1.0)
        (unary 0.0 a 0.0)))

  ;; Sums and dot products as one node. No operand occurs twice, save as its own factor, and none lies below
  ;; another.
  (define (total xs)
    (do ([i 0 (fx+ i 1)]
         [sum 0.0 (fl+ sum (node-value (vector-ref xs i)))])
        ((fx= i (vector-length xs)) (make-node sum xs #f))))

  (define (dot ws xs)
    (do ([i 0 (fx+ i 1)]
         [sum 0.0 (fl+ sum (fl* (node-value (vector-ref ws i)) (node-value (vector-ref xs i))))])
        ((fx= i (vector-length xs)) (make-node sum ws xs))))

  ;; Every x over a. Each division has a power node of its own; value and local gradient are the same.
  (define (quotients xs a)
    (let* ([x (node-value a)]
           [inverse (fl/ 1.0 x)]
           [local (fl- (exact-pow x -2.0))])
      (vector-map (lambda (x) (mul x (unary inverse a local))) xs)))

  ;; The child number k from the left, or #f.
  (define (child node k)
    (let ([left (node-left node)] [right (node-right node)])
      (cond
        [(not left) #f]
        [(node? left) (and (fx= k 0) left)]
        [(not right) (and (fx< k (vector-length left)) (vector-ref left k))]
        [else
         (let ([pair (fxsrl k 1)])
           (and (fx< pair (vector-length left))
                (vector-ref (if (fxeven? k) left right) pair)))])))

  ;; The nodes below root, the last one first, in depth-first post-order with children from left to right.
  ;; A node has been visited if its next child is not number 0.
  (define (reverse-post-order root)
    (let walk ([path (list root)] [order '()])
      (if (null? path)
          order
          (let* ([node (car path)]
                 [k (node-next-child node)]
                 [next (child node k)])
            (node-next-child-set! node (fx+ k 1))
            (cond
              [(not next) (walk (cdr path) (cons node order))]
              [(fx= (node-next-child next) 0) (walk (cons next path) order)]
              [else (walk path order)])))))

  ;; Adds to the gradient of every node below root how the value of root changes with it.
  (define (backward root)
    (define (receive! node x)
      (node-gradient-set! node (fl+ (node-gradient node) x)))
    (node-gradient-set! root 1.0)
    (for-each
      (lambda (node)
        (let ([g (node-gradient node)] [left (node-left node)] [right (node-right node)])
          (node-next-child-set! node 0)
          (cond
            [(not left)]
            [(node? left) (receive! left (fl* right g))]
            [(not right) (vector-for-each (lambda (x) (receive! x g)) left)]
            [else
             (vector-for-each
               (lambda (w x)
                 (receive! w (fl* (node-value x) g))
                 (receive! x (fl* (node-value w) g)))
               left right)])))
      (reverse-post-order root))))
