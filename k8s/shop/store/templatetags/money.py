from django import template

register = template.Library()


@register.filter
def dollars(cents: int) -> str:
    return f"${cents // 100:,}.{cents % 100:02}"
