!> The autograd (SPEC, section 5). It answers `graph` and trains the model. A node is a number; most functions that make
!> one are elemental, and make a vector of nodes from vectors.
module tape
  use, intrinsic :: iso_fortran_env, only: dp => real64
  use exact
  implicit none
  private
  public :: cut, leaf, add, mul, shifted, scaled, pow, ln, exponential, relu, total, dot, rmsnorm, softmax, backward

  real(dp), allocatable, public :: value(:), gradient(:)
  integer, protected, public :: nodes = 0
  !> The children of a node are those from first(node) on, each with its local gradient.
  integer, allocatable :: first(:), child(:)
  real(dp), allocatable :: local(:)

contains

  !> Forgets all nodes but the first ones.
  subroutine cut(count)
    integer, intent(in) :: count
    nodes = count
    if (.not. allocated(value)) allocate (value(1024), gradient(1024), first(1025), child(4096), local(4096))
    first(1) = 1
  end subroutine

  integer function node(x, children, locals)
    real(dp), value :: x  ! a copy, since the array of values may move
    integer, intent(in) :: children(:)
    real(dp), intent(in) :: locals(:)
    integer :: start, stop
    if (nodes == size(value)) then
      value = [value, value]
      gradient = [gradient, gradient]
      first = [first, first]
    end if
    nodes = nodes + 1
    node = nodes
    start = first(node)
    stop = start + size(children) - 1
    do while (stop > size(child))
      child = [child, child]
      local = [local, local]
    end do
    value(node) = x
    child(start:stop) = children
    local(start:stop) = locals
    first(node + 1) = stop + 1
  end function

  impure elemental integer function leaf(x)
    real(dp), intent(in) :: x
    leaf = node(x, [integer ::], [real(dp) ::])
  end function

  impure elemental integer function add(a, b)
    integer, intent(in) :: a, b
    add = node(value(a) + value(b), [a, b], [1.0_dp, 1.0_dp])
  end function

  impure elemental integer function mul(a, b)
    integer, intent(in) :: a, b
    mul = node(value(a) * value(b), [a, b], [value(b), value(a)])
  end function

  !> a + c, and below a * c, for a plain number c.
  impure elemental integer function shifted(a, c)
    integer, intent(in) :: a
    real(dp), intent(in) :: c
    shifted = node(value(a) + c, [a], [1.0_dp])
  end function

  impure elemental integer function scaled(a, c)
    integer, intent(in) :: a
    real(dp), intent(in) :: c
    scaled = node(value(a) * c, [a], [c])
  end function

  impure elemental integer function pow(a, c)
    integer, intent(in) :: a
    real(dp), intent(in) :: c
    pow = node(exact_pow(value(a), c), [a], [c * exact_pow(value(a), c - 1.0_dp)])
  end function

  impure elemental integer function ln(a)
    integer, intent(in) :: a
    ln = node(exact_log(value(a)), [a], [1.0_dp / value(a)])
  end function

  impure elemental integer function exponential(a)
    integer, intent(in) :: a
    real(dp) :: y
    y = exact_exp(value(a))
    exponential = node(y, [a], [y])
  end function

  impure elemental integer function relu(a)
    integer, intent(in) :: a
    relu = node(merge(value(a), 0.0_dp, value(a) > 0.0_dp), [a], [merge(1.0_dp, 0.0_dp, value(a) > 0.0_dp)])
  end function

  !> Sums and dot products as one node: no operand occurs twice, and none lies below another.
  integer function total(x)
    integer, intent(in) :: x(:)
    integer :: i
    total = node(sum(value(x)), x, [(1.0_dp, i = 1, size(x))])
  end function

  integer function dot(w, x)
    integer, intent(in) :: w(:), x(:)
    integer :: children(2 * size(w))
    real(dp) :: locals(2 * size(w))
    children(1::2) = w
    children(2::2) = x
    locals(1::2) = value(x)
    locals(2::2) = value(w)
    dot = node(dot_product(locals(2::2), locals(1::2)), children, locals)
  end function

  function rmsnorm(x) result(y)
    integer, intent(in) :: x(:)
    integer :: y(size(x)), mean
    mean = scaled(dot(x, x), 1.0_dp / real(size(x), dp))
    y = mul(x, pow(shifted(mean, 0.00001_dp), -0.5_dp))
  end function

  !> Each division has a pow node of its own; they are alike.
  function softmax(x) result(y)
    integer, intent(in) :: x(:)
    integer :: y(size(x)), i, divisor
    real(dp) :: top, inverse, slope
    top = value(x(1))
    do i = 2, size(x)
      if (value(x(i)) > top) top = value(x(i))
    end do
    y = exponential(shifted(x, -top))
    divisor = total(y)
    inverse = 1.0_dp / value(divisor)
    slope = -exact_pow(value(divisor), -2.0_dp)
    do i = 1, size(x)
      y(i) = mul(y(i), node(inverse, [divisor], [slope]))
    end do
  end function

  !> The order is depth-first, each node after its children. What is on the stack as -n was n, and is done.
  subroutine backward(root)
    integer, intent(in) :: root
    integer :: i, top, edge, depth, count
    integer, allocatable :: stack(:), order(:)
    logical, allocatable :: is_waiting(:)
    allocate (stack(nodes + first(nodes + 1)), order(nodes))
    is_waiting = first(2:nodes + 1) > first(:nodes)  ! nothing is below a leaf
    stack(1) = root
    depth = 1
    count = 0
    do while (depth > 0)
      top = stack(depth)
      depth = depth - 1
      if (top < 0) then
        count = count + 1
        order(count) = -top
      else if (is_waiting(top)) then
        is_waiting(top) = .false.
        call push(-top)
        do edge = first(top + 1) - 1, first(top), -1
          if (is_waiting(child(edge))) call push(child(edge))
        end do
      end if
    end do
    gradient(:nodes) = 0.0_dp
    gradient(root) = 1.0_dp
    do i = count, 1, -1
      do edge = first(order(i)), first(order(i) + 1) - 1
        gradient(child(edge)) = gradient(child(edge)) + local(edge) * gradient(order(i))
      end do
    end do
  contains
    subroutine push(n)
      integer, intent(in) :: n
      depth = depth + 1
      stack(depth) = n
    end subroutine
  end subroutine
end module
