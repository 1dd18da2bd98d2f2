;;;; The autograd: a tape of nodes, which are known by number. A new node's children are older than it is.

(in-package :microgpt)

(deftype doubles () '(simple-array double-float (*)))
(deftype index () '(integer 0 #.(ash array-dimension-limit -2)))
(deftype nodes () '(simple-array index (*)))

(defun make-doubles (count) (make-array count :element-type 'double-float :initial-element 0d0))

(defun nodes-of (&rest nodes) (coerce nodes 'nodes))

(defun map-nodes (function &rest sequences) (apply #'map 'nodes function sequences))

(defstruct tape
  "What a node was made from is in LEFT and RIGHT: nothing for a leaf; one node, whose local gradient is in LOCAL;
nodes to be added up; or two rows of nodes, multiplied pair by pair and added up."
  (size 0 :type index)
  (value (make-doubles 0) :type doubles)
  (gradient (make-doubles 0) :type doubles)
  (local (make-doubles 0) :type doubles)
  (left (vector) :type simple-vector)
  (right (vector) :type simple-vector))

(defvar *tape* (make-tape) "Where new nodes go.")
(declaim (type tape *tape*))

(declaim (inline value))
(defun value (node) (aref (tape-value *tape*) node))

(defun values-of (nodes) (map 'doubles #'value nodes))

(defun grow (tape)
  (flet ((longer (column)
           (replace (make-array (+ 1024 (* 2 (length column))) :element-type (array-element-type column)) column)))
    (with-accessors ((value tape-value) (gradient tape-gradient) (local tape-local) (left tape-left) (right tape-right))
        tape
      (setf value (longer value) gradient (longer gradient) local (longer local)
            left (longer left) right (longer right)))))

(defun record (value &optional left right (local 1d0))
  "Append a node to the tape; its number."
  (declare (type double-float value local))
  (let* ((tape *tape*) (node (tape-size tape)))
    (when (= node (length (tape-value tape)))
      (grow tape))
    (setf (aref (tape-value tape) node) value
          (aref (tape-local tape) node) local
          (aref (tape-left tape) node) left
          (aref (tape-right tape) node) right
          (tape-size tape) (1+ node))
    node))

(defun leaf (x) (record x))
(defun node+ (a b) (record (+ (value a) (value b)) (nodes-of a b)))
(defun node* (a b) (record (* (value a) (value b)) (nodes-of a) (nodes-of b)))

(defun shift (a c) "A plus the plain number C." (record (+ (value a) c) a))
(defun scale (a c) "A times the plain number C." (record (* (value a) c) a nil c))
(defun negated (a) (scale a -1d0))
(defun node-expt (a c) (record (exact-expt (value a) c) a nil (* c (exact-expt (value a) (- c 1)))))
(defun node-log (a) (record (exact-log (value a)) a nil (/ 1 (value a))))
(defun node-exp (a) (let ((y (exact-exp (value a)))) (record y a nil y)))
(defun relu (a) (if (plusp (value a)) (record (value a) a) (record 0d0 a nil 0d0)))

;;; Sums and dot products as one node. No operand occurs twice, save as its own factor, and none lies below another.

(defun total (xs)
  (declare (type nodes xs))
  (record (let ((total 0d0))
            (declare (type double-float total))
            (loop for x across xs do (incf total (value x)))
            total)
          xs))

(defun dot (ws xs)
  (declare (type nodes ws xs))
  (record (let ((total 0d0) (value (tape-value *tape*)))
            (declare (type double-float total))
            (loop for w across ws
                  for x across xs
                  do (incf total (* (aref value w) (aref value x))))
            total)
          ws xs))

(defun child (tape node k)
  "The child number K of NODE, from the left, or NIL."
  (declare (type index node k))
  (let ((left (aref (tape-left tape) node))
        (right (aref (tape-right tape) node)))
    (multiple-value-bind (row k)
        (if right
            (multiple-value-bind (pair side) (floor k 2) (values (if (zerop side) left right) pair))
            (values left k))
      (declare (type index k))
      (etypecase row
        (nodes (when (< k (length row)) (aref row k)))
        (index (when (zerop k) row))
        (null nil)))))

(defun post-order (tape root)
  "The nodes below ROOT, depth first, children from left to right, each after its children."
  (let ((order (make-array (tape-size tape) :element-type 'index :fill-pointer 0))
        (next-child (make-array (tape-size tape) :element-type 'index :initial-element 0))
        (seen (make-array (tape-size tape) :element-type 'bit :initial-element 0))
        (path '()))
    (flet ((enter (node)
             (setf (aref seen node) 1)
             (push node path)))
      (enter root)
      (loop while path
            do (let* ((node (first path))
                      (child (child tape node (aref next-child node))))
                 (incf (aref next-child node))
                 (cond ((null child) (vector-push (pop path) order))
                       ((zerop (aref seen child)) (enter child))))))
    order))

(defun backward (root)
  "Set the gradient of every node: how the value of ROOT changes with it."
  (let* ((tape *tape*) (order (post-order tape root)) (value (tape-value tape)) (gradient (tape-gradient tape)))
    (fill gradient 0d0)
    (setf (aref gradient root) 1d0)
    (loop for i from (1- (length order)) downto 0
          do (let* ((node (aref order i))
                    (g (aref gradient node))
                    (left (aref (tape-left tape) node))
                    (right (aref (tape-right tape) node)))
               (declare (type index node))
               (etypecase left
                 (null)
                 (index (incf (aref gradient left) (* (aref (tape-local tape) node) g)))
                 (nodes
                  (if right
                      (loop for w across left
                            for x across (the nodes right)
                            do (incf (aref gradient w) (* (aref value x) g))
                               (incf (aref gradient x) (* (aref value w) g)))
                      (loop for x across left do (incf (aref gradient x) g)))))))))
