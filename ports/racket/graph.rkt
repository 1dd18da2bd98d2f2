#lang racket/base
;; The autograd: a node holds its value and two procedures, one to find its children, one to serve them.

(require racket/flonum racket/fixnum "exact.rkt")
(provide (struct-out node)
         leaf add mul shift scale divided neg node-pow node-log node-exp relu total dot quotients
         backward!)

;; (child k) is the child number k from the left, or #f. (spread! g) adds to each child's gradient what it
;; receives from the gradient g of this node.
(struct node ([value #:mutable] child spread! [gradient #:mutable] [next-child #:mutable])
  #:authentic)

(define (new-node value child spread!) (node value child spread! 0.0 0))

(define (receive! a x)
  (set-node-gradient! a (fl+ (node-gradient a) x)))

(define (no-child k) #f)
(define (leaf x) (new-node x no-child void))

(define (unary value a local)
  (new-node value (λ (k) (and (eq? k 0) a)) (λ (g) (receive! a (fl* local g)))))

(define (add a b)
  (new-node (fl+ (node-value a) (node-value b))
            (λ (k) (case k [(0) a] [(1) b] [else #f]))
            (λ (g) (receive! a g) (receive! b g))))

(define (mul a b)
  (new-node (fl* (node-value a) (node-value b))
            (λ (k) (case k [(0) a] [(1) b] [else #f]))
            (λ (g)
              (receive! a (fl* (node-value b) g))
              (receive! b (fl* (node-value a) g)))))

;; a + c and a * c for a plain number c.
(define (shift a c) (unary (fl+ (node-value a) c) a 1.0))
(define (scale a c) (unary (fl* (node-value a) c) a c))

(define (divided a c) (scale a (exact-pow c -1.0)))
(define (neg a) (scale a -1.0))
(define (node-log a) (unary (exact-log (node-value a)) a (fl/ 1.0 (node-value a))))

(define (node-pow a c)
  (define x (node-value a))
  (unary (exact-pow x c) a (fl* c (exact-pow x (fl- c 1.0)))))

(define (node-exp a)
  (define y (exact-exp (node-value a)))
  (unary y a y))

(define (relu a)
  (if (fl> (node-value a) 0.0)
      (unary (node-value a) a 1.0)
      (unary 0.0 a 0.0)))

;; Sums and dot products as one node. No operand occurs twice, save as its own factor, and none lies below
;; another.
(define (total xs)
  (new-node (for/fold ([sum 0.0]) ([x (in-vector xs)])
              (fl+ sum (node-value x)))
            (λ (k) (and (fx< k (vector-length xs)) (vector-ref xs k)))
            (λ (g)
              (for ([x (in-vector xs)])
                (receive! x g)))))

(define (dot ws xs)
  (define (child k)
    (define pair (fxrshift k 1))
    (and (fx< pair (vector-length ws))
         (vector-ref (if (fx= (fxand k 1) 0) ws xs) pair)))
  (new-node (for/fold ([sum 0.0]) ([w (in-vector ws)] [x (in-vector xs)])
              (fl+ sum (fl* (node-value w) (node-value x))))
            child
            (λ (g)
              (for ([w (in-vector ws)] [x (in-vector xs)])
                (receive! w (fl* (node-value x) g))
                (receive! x (fl* (node-value w) g))))))

;; Every x over a. Each division has a power node of its own; value and local gradient are the same.
(define (quotients xs a)
  (define inverse (fl/ 1.0 (node-value a)))
  (define local (fl* -1.0 (exact-pow (node-value a) -2.0)))
  (for/vector #:length (vector-length xs) ([x (in-vector xs)])
    (mul x (unary inverse a local))))

;; The nodes below root, the last one first, in depth-first post-order with children from left to right.
;; A node has been visited if its next child is not number 0.
(define (reverse-post-order root)
  (let walk ([path (list root)] [order '()])
    (cond
      [(null? path) order]
      [else
       (define node (car path))
       (define k (node-next-child node))
       (define next ((node-child node) k))
       (set-node-next-child! node (fx+ k 1))
       (cond
         [(not next) (walk (cdr path) (cons node order))]
         [(eq? (node-next-child next) 0) (walk (cons next path) order)]
         [else (walk path order)])])))

;; Adds to the gradient of every node below root how the value of root changes with it.
(define (backward! root)
  (set-node-gradient! root 1.0)
  (for ([node (in-list (reverse-post-order root))])
    (set-node-next-child! node 0)
    ((node-spread! node) (node-gradient node))))
